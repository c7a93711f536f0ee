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


def clip_resnet50() -> Any:
    from open_clip.modified_resnet import ModifiedResNet

    return ModifiedResNet([3, 4, 6, 3], output_dim=1024, heads=32)
