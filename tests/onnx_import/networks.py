"""The networks of the coverage table: torchvision's classification networks, one of each of timm's families, Keras'.

A network is its constructor's name, and after an ``@`` the side of its square input in pixels where that isn't 96.
``CONVOLUTIONAL`` is what the language is for; ``OTHER`` (attention, recurrent, mixers over tokens) is to be
read and drawn, and may be refused by ``resdsl import``.
"""

from __future__ import annotations

from typing import NamedTuple


class Network(NamedTuple):
    """One network: the package that builds it, its name there, the side of its input in pixels, and of which kind."""

    package: str
    name: str
    size: int
    convolutional: bool


# One size of each family, and every variant of another kind (with and without batch norm, with and without a gate).
TORCHVISION = """
resnet18 mobilenet_v2 squeezenet1_1 efficientnet_b0 shufflenet_v2_x0_5 densenet121 googlenet mobilenet_v3_small
regnet_y_400mf convnext_tiny mnasnet0_5 inception_v3@128 resnet50 resnext50_32x4d regnet_x_400mf mobilenet_v3_large
efficientnet_v2_s squeezenet1_0 alexnet@224 wide_resnet50_2 vgg11_bn@224 vgg11@224
"""
TORCHVISION_OTHER = """
swin_t@224 maxvit_t@224 vit_b_16@224 swin_v2_t@256
"""

# One small member of each family, and of the families within timm's larger modules.
TIMM = """
resnet26d seresnet18 mobilenetv2_035 regnetx_002 ecaresnet26t mobilenetv3_small_050 efficientnet_lite0 convnext_atto
tf_efficientnet_lite0 lcnet_035 ghostnet_050 skresnet18 resnetblur18 repvgg_a0 dla46_c tinynet_e resnest14d
regnety_002 convnextv2_atto resnetv2_50x1_bit mixnet_s hardcorenas_a mobileone_s0 starnet_s050 fasternet_t0
ese_vovnet19b_slim cspresnet50 densenetblur121d nfnet_l0 hgnetv2_b0 rexnet_100 selecsls42b res2net50_14w_8s
mobilenetv4_conv_small_035 repvit_m0_9 mnasnet_small fbnetc_100 semnasnet_050 spnasnet_100 efficientnet_b0
efficientnetv2_rw_t fbnetv3_b gernet_s hgnet_tiny inception_next_atto poolformer_s12 mobilenetv1_100 dpn48b
hrnet_w18_small legacy_seresnet18 repghostnet_050 ghostnetv2_100 darknet17 cs3darknet_s vovnet39a resnext50_32x4d
xception41 nf_resnet26 gcresnext26ts resnetaa34d inception_v4@128 tresnet_m resnetrs50 convmixer_768_32@112
focalnet_tiny_srf inception_resnet_v2@128 dla34 wide_resnet50_2 legacy_xception tf_efficientnetv2_b0 tf_mixnet_s
mambaout_femto fastvit_t8@128 convformer_s18 rdnet_tiny cspnext_tiny lcnetv2_small poolformerv2_s12
mobilenetv4_conv_blur_medium efficientnet_blur_b0 efficientnet_b0_gn resnet50_gn regnetz_b16 regnetz_005 xception41p
eca_vovnet39b eca_nfnet_l0 nf_regnet_b0 convnext_zepto_rms resnet10t cs3darknet_focus_s cspdarknet53
mobilenet_edgetpu_v2_xs efficientnet_es tf_mobilenetv3_small_minimal_100 dla60_res2net res2next50 ghostnetv3_050
resnet32ts gc_efficientnetv2_rw_t efficientnet_cc_b0_4e legacy_senet154 resnetv2_50d_frn regnetz_b16_evos dm_nfnet_f0
vgg11@224 hrnet_w18_ssld pnasnet5large nasnetalarge
"""
TIMM_OTHER = """
vit_tiny_patch16_224@224 xcit_nano_12_p16_224@224 edgenext_xx_small@128 swiftformer_xs@224 mobilevit_xxs@128
efficientvit_b0@128 efficientvit_m0@224 bat_resnext26ts@128 shvit_s1@128 levit_128s@224 mixer_s32_224@224
sequencer2d_s@224 coat_lite_tiny@224 botnet26t_256@256
"""

# Of keras.applications.
KERAS = """
MobileNet MobileNetV2 MobileNetV3Small ResNet50 ResNet50V2 DenseNet121 EfficientNetB0 EfficientNetV2B0 Xception@128
InceptionV3@128 InceptionResNetV2@128 VGG16 ConvNeXtTiny NASNetMobile@224
"""


def _networks(package: str, words: str, convolutional: bool) -> list[Network]:
    pairs = (word.partition("@") for word in words.split())
    return [Network(package, name, int(size or 96), convolutional) for name, _, size in pairs]


NETWORKS = [
    *_networks("torchvision", TORCHVISION, True),
    *_networks("timm", TIMM, True),
    *_networks("torchvision", TORCHVISION_OTHER, False),
    *_networks("timm", TIMM_OTHER, False),
    *_networks("keras", KERAS, True),
]
