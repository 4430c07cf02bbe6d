"""Training the two stages: batches, augmentation, one LightningModule per stage, checkpoints, resuming."""
