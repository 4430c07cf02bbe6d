"""The networks: IE-Net, Expert-Net, the critics of the mutual information, and the pretrained backbones."""
