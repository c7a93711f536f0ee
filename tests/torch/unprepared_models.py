"""Models of packages whose makers take arguments, for ``unprepared.py``: with random weights, as nothing is fetched."""

from typing import Any


def efficientnet_b0() -> Any:
    from efficientnet_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-b0")


def bninception() -> Any:
    from pretrainedmodels.models import bninception as make

    return make(pretrained=None)


def unet() -> Any:
    import segmentation_models_pytorch

    return segmentation_models_pytorch.Unet("resnet18", encoder_weights=None)


def deeplab() -> Any:
    import segmentation_models_pytorch

    return segmentation_models_pytorch.DeepLabV3Plus("resnet18", encoder_weights=None)


def hardnet() -> Any:
    from kornia.feature import HardNet

    return HardNet(pretrained=False)
