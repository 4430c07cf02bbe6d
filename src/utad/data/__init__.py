"""Reading images safely, opening data sets, and making defects.

What turns images into tensors, `utad.data.tensors` and `utad.data.loading`, is imported from there: it needs
torch, and nothing here does.
"""

from __future__ import annotations

from utad.data.catalog import DATASET_NAMES, categories_of, open_category
from utad.data.conversion import image_from_pil
from utad.data.elpv import open_elpv
from utad.data.folder import open_folder
from utad.data.layouts import LAYOUT_NAMES, LAYOUTS
from utad.data.layouts.mvtec import MVTEC_CATEGORIES
from utad.data.one_class import open_mnist_5k, open_torchvision
from utad.data.reading import (
    ACCEPTED_FORMATS,
    DEFAULT_MAX_PIXELS,
    IMAGE_SUFFIXES,
    image_from_array,
    load_image,
    load_mask,
    read_image,
    read_mask,
    read_size,
)
from utad.data.synthesis import DEFECTS, Defect, add_defect
from utad.data.textures import open_texture

__all__ = [
    "ACCEPTED_FORMATS",
    "DATASET_NAMES",
    "DEFAULT_MAX_PIXELS",
    "DEFECTS",
    "IMAGE_SUFFIXES",
    "LAYOUTS",
    "LAYOUT_NAMES",
    "MVTEC_CATEGORIES",
    "Defect",
    "add_defect",
    "categories_of",
    "image_from_array",
    "image_from_pil",
    "load_image",
    "load_mask",
    "open_category",
    "open_elpv",
    "open_folder",
    "open_mnist_5k",
    "open_texture",
    "open_torchvision",
    "read_image",
    "read_mask",
    "read_size",
]
