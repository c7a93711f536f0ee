"""Names that a class of PyTorch has already, and names of classes."""

from __future__ import annotations

import re

RESERVED = frozenset(
    """
    T_destination _apply _backward_hooks _backward_pre_hooks _buffers _call_impl _compiled_call_impl
    _forward_hooks _forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks
    _forward_pre_hooks_with_kwargs _get_backward_hooks _get_backward_pre_hooks _get_item_by_idx _get_name
    _is_full_backward_hook _load_from_state_dict _load_state_dict_post_hooks _load_state_dict_pre_hooks
    _maybe_warn_non_full_backward_hook _modules _named_members _non_persistent_buffers_set _parameters
    _register_load_state_dict_pre_hook _register_state_dict_hook _replicate_for_data_parallel
    _save_to_state_dict _slow_forward _state_dict_hooks _state_dict_pre_hooks _version _wrapped_call_impl
    add_module append apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
    extend extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half insert ipu
    load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters pop
    register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to
    to_empty train training type xpu zero_grad
    """.split()  # noqa: SIM905
)
"""Attributes of every module, and of ``nn.Sequential``. No layer can be reached under one of them."""

SHADOWED = frozenset(
    """
    F I O OrderedDict Tensor aux bool dict float getattr int l len list max min nn range round self super torch
    tuple x
    """.split()  # noqa: SIM905
)
"""Names that the code itself uses."""

_WORDS = {
    "aspp": "ASPP",
    "bn": "BN",
    "cbam": "CBAM",
    "cifar": "CIFAR",
    "densenet": "DenseNet",
    "drn": "DRN",
    "eca": "ECA",
    "efficientnet": "EfficientNet",
    "fcn": "FCN",
    "fpn": "FPN",
    "gn": "GN",
    "googlenet": "GoogLeNet",
    "mobilenet": "MobileNet",
    "preact": "PreAct",
    "prelu": "PReLU",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "resnet": "ResNet",
    "resnetv2": "ResNetV2",
    "resnext": "ResNeXt",
    "se": "SE",
    "seresnet": "SEResNet",
    "unet": "UNet",
    "vgg": "VGG",
    "wrn": "WRN",
}
"""How words are written in names of classes, where not with one capital."""


def class_name(name: str) -> str:
    """``basic_block`` as ``BasicBlock``, ``resnet50`` as ``ResNet50``."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", name) if part]
    words = list(map(_word, parts))
    # Two numbers beside each other would be another one.
    made = "".join(
        f"{'_' if number and word[0].isdigit() and words[number - 1][-1].isdigit() else ''}{word}"
        for number, word in enumerate(words)
    )
    return made if made[:1].isalpha() else f"Block{made}"


def _word(word: str) -> str:
    stem = word.rstrip("0123456789")
    known = _WORDS.get(word.lower()) or (_WORDS[stem.lower()] + word[len(stem) :] if stem.lower() in _WORDS else "")
    return known or word[0].upper() + word[1:]
