"""`UTAD`: fit, predict, save, load. The one object a user needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Self

import torch

from utad.config import Config, chosen_config, parse_config, with_present_names
from utad.errors import NotFittedError, checked
from utad.fit_report import FitReport
from utad.inputs import Input, files_of, iterate_samples
from utad.model_file import read_model, write_model
from utad.model_manifest import manifest_of, restore
from utad.output_folder import OutputFolder
from utad.predictor import Predictor
from utad.progress import tracked
from utad.recalibration import Recalibration
from utad.renormalisation import renormalise
from utad.run_folder import MODEL_NAME, begin_run, is_run_folder, run_folder, write_config, write_report
from utad.scoring.network import DetectorNetwork, build_network, load_network
from utad.scoring.normalisation import Normalisation
from utad.scoring.torch_engine import TorchEngine
from utad.thresholds import PastCalibration, check_enough, check_rate
from utad.training_data import load_training_data
from utad.types import Category
from utad.whole_images import of_whole_images


class UTAD(Predictor):
    """Unsupervised two-stage anomaly detection, scored in PyTorch.

    Args:
        preset: `fast`, `balanced`, `accurate`, `paper` or `paper-small`.
        config: a whole config instead of preset, overrides and seed.
        overrides: `section.key=value`, on top of the preset.
        seed: replaces the preset's seed; 0 is a seed like any other.
        threads: that read images; how many compute is torch's setting (`torch.set_num_threads`).

    Attributes:
        config: the resolved config.
        threshold: on normalised scores; 0.5 unless calibrated otherwise.
        fail_threshold: that of the band `fail`.
        trained_on: fingerprints of the files that it was trained on.
        report_: what `fit` came to; None for a loaded detector.

    Raises:
        ConfigError: if a setting is wrong, or `config` comes with any other setting.

    Example:
        >>> from utad import UTAD
        >>> UTAD(preset="fast", overrides=["image.size=64"]).config.image.size
        64
    """

    def __init__(
        self,
        preset: str | None = None,
        *,
        config: Config | None = None,
        overrides: Sequence[str] = (),
        seed: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.config = chosen_config(config, preset, overrides=overrides, seed=seed)
        super().__init__(max_pixels=self.config.image.max_pixels, mask=self.config.mask, threads=threads)
        self._network: DetectorNetwork | None = None
        self.trained_on: tuple[str, ...] = ()
        self.report_: FitReport | None = None

    @torch.random.fork_rng()  # what is drawn from torch's own generator, a loader's base seed, is given back
    def fit(
        self,
        data: str | Path | Category | Iterable[Input],
        *,
        output: Path | str | None = None,
        resume: bool = False,
        replace: bool = False,
        skip_bad: bool = False,
        progress: bool = False,
        graph: bool = True,
        report: Callable[[FitReport], str] | None = None,
        loggers: Sequence[str] = (),
    ) -> Self:
        """Trains on normal images.

        Args:
            data: a folder, the name of a data set, a category, or images.
            output: the folder for model, graph, config, metrics and checkpoints; None keeps nothing on disk.
            resume: go on with an interrupted run in `output`.
            replace: delete an earlier run in `output` first.
            skip_bad: leave damaged images out instead of stopping.
            progress: show progress bars; without them the log (`utad`, INFO) gets a line a stage and one every 30 s.
            graph: write the exported graph beside the model too, as `save` does.
            report: makes the page `report.html` in `output`, such as `utad.report.training_page.training_page`.
            loggers: experiment trackers that get the losses too, of `tensorboard` and `mlflow` (docs/adr/0038).

        Raises:
            ConfigError: if the region of interest of the config does not fit the images, or a logger cannot be had.
            MissingDependencyError: if the package of a logger is not installed.
            DatasetError: naming every damaged image, or if there are none.
            OutputError: if `output` holds a run and neither `resume` nor `replace` is set, holds files that are not
                ours where those of a run would be, overlaps the images, is taken by another process, or cannot be
                written.
            TrainingError: if training or a logger fails, the run to resume is another one, or the images are copies of
                each other.
        """
        if loggers:
            from utad.training.trackers import check_trackers

            check_trackers(loggers, Path(output) if output is not None else None)
        kept = (
            run_folder(
                Path(output), resume=resume, replace=replace, report=report is not None, apart_from=files_of(data)
            )
            if output is not None
            else nullcontext()
        )
        with kept as folder:
            self.report_ = self._fit(
                data, folder, resume=resume, skip_bad=skip_bad, progress=progress, graph=graph, loggers=loggers
            )
            if folder is not None and report is not None:
                write_report(folder, report(self.report_))
        return self

    def _fit(
        self,
        data: str | Path | Category | Iterable[Input],
        folder: OutputFolder | None,
        *,
        resume: bool,
        skip_bad: bool,
        progress: bool,
        graph: bool,
        loggers: Sequence[str],
    ) -> FitReport:
        # Lightning takes seconds to import, and only training needs it.
        from utad.fit_reporting import report_of
        from utad.fitting import fit_network, held_out_of, normal_images_of

        start = time.perf_counter()
        directory = folder.directory if folder is not None else None
        training = load_training_data(data, self.config, skip_bad=skip_bad, progress=progress)
        loaded, tiles, self.trained_on = training.loaded, training.tiles, training.fingerprints
        self.colour_order, self.geometry = training.colour_order, training.geometry
        if folder is not None:
            begin_run(folder, self.config, resume=resume)
        network = build_network(self.config, loaded.channels, region=self.geometry.network_region)
        trained_on = ~held_out_of(len(loaded.images), self.config.calibration.held_out, tiles)
        fitted = fit_network(
            network,
            loaded.images,
            trained_on,
            self.config,
            tiles=tiles,
            directory=directory,
            resume=resume,
            progress=progress,
            loggers=loggers,
        )
        self.geometry = replace(self.geometry, tiling=fitted.normal.tiling)
        self._use(network.eval())
        self.normal_images = normal_images_of(network, loaded, self.config, letterbox=self.letterbox)
        self.calibrations = ()
        self._reset_thresholds(self.config.calibration.fail_fpr)
        if directory is not None:
            write_config(directory, self.config)
            self.save(directory, graph=graph)
        model = directory / MODEL_NAME if directory is not None else None
        seconds = time.perf_counter() - start
        return report_of(training, fitted, self.config, self, self.image_normalisation, seconds=seconds, model=model)

    def calibrate(
        self,
        normal: Iterable[Input],
        *,
        fpr: float = 0.01,
        fail_fpr: float = 0.001,
        force: bool = False,
        scored_by: Predictor | None = None,
        progress: bool = False,
    ) -> Recalibration:
        """Sets normalisation and threshold anew from normal images, such as those of another camera.

        What they were stays in `calibrations`, and `undo_calibration` brings it back.

        Args:
            normal: normal images that the detector was not trained on, at least 10.
            fpr: share of normal images above the threshold, above 0 and below 0.5.
            fail_fpr: share of normal images in the band `fail`, at most `fpr`; more counts as `fpr`.
            force: fewer images will do. From images whose scores do not differ only the location is taken.
            scored_by: a faster form of this detector that scores the images.
            progress: show a bar, instead of lines in the log.

        Raises:
            ConfigError: if `fpr` is out of range.
            DataError: if there are too few images.
        """
        check_rate(fpr)
        check_rate(fail_fpr, "fail_fpr")
        normalisation, samples = self._fitted().normalisation, list(iterate_samples(normal))
        check_enough(len(samples), force=force)
        scored = tracked((scored_by or self).predict_samples(samples), len(samples), "scoring", bar=progress)
        raw = [checked(outcome).raw_score for _, outcome in scored]
        past, done = renormalise(normalisation, raw, fpr, thresholds=(self.threshold, self.fail_threshold))
        self.calibrations = (*self.calibrations, past)
        self._reset_thresholds(min(fail_fpr, fpr))
        return done

    def undo_calibration(self) -> PastCalibration:
        """Brings back what the last calibration replaced, and returns it.

        Raises:
            ConfigError: if there was none.
        """
        last, network = super().undo_calibration(), self._fitted()
        if last.image is not None:
            network.normalisation.restore_images(Normalisation(*last.image), last.normal)
            self._use(network)
        return last

    def save(self, path: Path | str, *, graph: bool = True) -> None:
        """Writes the whole detector to one safetensors file, atomically.

        Args:
            path: of the file; or a run's folder, which gets `model.safetensors` and beside it the graph that scores
                faster (`openvino/`), if openvino is installed.
            graph: False leaves the graph out.

        Raises:
            NotFittedError: before `fit`.
            OutputError: if the file cannot be written.
        """
        from utad.export.beside import write_beside

        network, path = self._fitted(), Path(path)
        if path.is_dir():
            path = path / MODEL_NAME
        manifest = manifest_of(self, self.config, channels=network.channels, trained_on=self.trained_on)
        write_model(path, manifest, network.state_dict(), normal_images=self.normal_images)
        if graph and path.name == MODEL_NAME and is_run_folder(path.parent):
            write_beside(self, path)

    @classmethod
    def load(cls, path: Path | str, *, device: str = "cpu", threads: int | None = None) -> UTAD:
        """Reads a detector; nothing is downloaded and nothing is unpickled.

        Args:
            path: a model file, or the folder of a run.
            device: that computes, `cpu` or `cuda`; one without float64 does not do.
            threads: that read images.

        Raises:
            ModelFileError: if the file is missing, damaged, not a model, or of a newer version.
        """
        stored = read_model(Path(path))
        detector = cls(config=parse_config(with_present_names(stored.manifest["config"])), threads=threads)
        restore(detector, stored.manifest)
        detector.trained_on = tuple(stored.manifest.get("trained_on", ()))
        detector.normal_images = stored.normal_images
        channels, written_as = int(stored.manifest["channels"]), int(stored.manifest["format"])
        region = detector.geometry.network_region
        detector._use(load_network(detector.config, channels, stored.tensors, written_as, region))
        detector._fitted().to(device)
        return detector

    @property
    def network_(self) -> DetectorNetwork | None:
        """The fitted network; None before `fit`. A change of it shows in the next score."""
        return self._network

    @property
    def image_normalisation(self) -> Normalisation:
        """How raw image scores become normalised ones."""
        return self._fitted().normalisation.of_image()

    def _fitted(self) -> DetectorNetwork:
        if self._network is None:
            raise NotFittedError("the detector is not fitted: call fit, or UTAD.load a model")
        return self._network

    def _reset_thresholds(self, fail_fpr: float) -> None:
        """To those that the normalisation and its normal images stand for."""
        self._use(self._fitted())
        self.threshold, self.fail_threshold = 0.5, None
        self.set_rates(fail_fpr=fail_fpr)

    def _use(self, network: DetectorNetwork) -> None:
        image = network.normalisation.of_image()
        self._network = network
        self._engine = of_whole_images(TorchEngine(network), self.geometry, slope=image.slope)
        self.normal_scores = tuple(image.apply(network.normalisation.normal).tolist())
