"""EfficientNet-Lite0, whose pretrained weights come with pip: the encoder and its network."""
