"""The networks of the coverage table: torchvision's classification networks and one small member of timm's families.

A line is ``name size``: the constructor's name and the side of its square input in pixels, small where the network
takes any. ``CONVOLUTIONAL`` is what the language is for; ``OTHER`` (attention, recurrent, mixers over tokens) is to be
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
resnet18 96             mobilenet_v2 96         squeezenet1_1 96        efficientnet_b0 96      shufflenet_v2_x0_5 96
densenet121 96          googlenet 96            mobilenet_v3_small 96   regnet_y_400mf 96       convnext_tiny 96
mnasnet0_5 96           inception_v3 128        resnet50 96             resnext50_32x4d 96      regnet_x_400mf 96
mobilenet_v3_large 96   efficientnet_v2_s 96    squeezenet1_0 96        alexnet 224             wide_resnet50_2 96
vgg11_bn 224            vgg11 224
"""
TORCHVISION_OTHER = """
swin_t 224              maxvit_t 224            vit_b_16 224            swin_v2_t 256
"""

# One small member of each family, and of the families within timm's larger modules.
TIMM = """
resnet26d 96            seresnet18 96           mobilenetv2_035 96      regnetx_002 96          ecaresnet26t 96
mobilenetv3_small_050 96 efficientnet_lite0 96  convnext_atto 96        tf_efficientnet_lite0 96 lcnet_035 96
ghostnet_050 96         skresnet18 96           resnetblur18 96         repvgg_a0 96            dla46_c 96
tinynet_e 96            resnest14d 96           regnety_002 96          convnextv2_atto 96      resnetv2_50x1_bit 96
mixnet_s 96             hardcorenas_a 96        mobileone_s0 96         starnet_s050 96         fasternet_t0 96
ese_vovnet19b_slim 96   cspresnet50 96          densenetblur121d 96     nfnet_l0 96             hgnetv2_b0 96
rexnet_100 96           selecsls42b 96          res2net50_14w_8s 96     mobilenetv4_conv_small_035 96 repvit_m0_9 96
mnasnet_small 96        fbnetc_100 96           semnasnet_050 96        spnasnet_100 96         efficientnet_b0 96
efficientnetv2_rw_t 96  fbnetv3_b 96            gernet_s 96             hgnet_tiny 96           inception_next_atto 96
poolformer_s12 96       mobilenetv1_100 96      dpn48b 96               hrnet_w18_small 96      legacy_seresnet18 96
repghostnet_050 96      ghostnetv2_100 96       darknet17 96            cs3darknet_s 96         vovnet39a 96
resnext50_32x4d 96      xception41 96           nf_resnet26 96          gcresnext26ts 96        resnetaa34d 96
inception_v4 128        tresnet_m 96            resnetrs50 96           convmixer_768_32 112    focalnet_tiny_srf 96
inception_resnet_v2 128 dla34 96                wide_resnet50_2 96      legacy_xception 96      tf_efficientnetv2_b0 96
tf_mixnet_s 96          mambaout_femto 96       fastvit_t8 128          convformer_s18 96       rdnet_tiny 96
cspnext_tiny 96         lcnetv2_small 96        poolformerv2_s12 96     mobilenetv4_conv_blur_medium 96 efficientnet_blur_b0 96
efficientnet_b0_gn 96   resnet50_gn 96          regnetz_b16 96          regnetz_005 96          xception41p 96
eca_vovnet39b 96        eca_nfnet_l0 96         nf_regnet_b0 96         convnext_zepto_rms 96   resnet10t 96
cs3darknet_focus_s 96   cspdarknet53 96         mobilenet_edgetpu_v2_xs 96 efficientnet_es 96   tf_mobilenetv3_small_minimal_100 96
dla60_res2net 96        res2next50 96           ghostnetv3_050 96       resnet32ts 96           gc_efficientnetv2_rw_t 96
efficientnet_cc_b0_4e 96 legacy_senet154 96     resnetv2_50d_frn 96     regnetz_b16_evos 96     dm_nfnet_f0 96
vgg11 224               hrnet_w18_ssld 96       pnasnet5large 96        nasnetalarge 96
"""
TIMM_OTHER = """
vit_tiny_patch16_224 224 xcit_nano_12_p16_224 224 edgenext_xx_small 128 swiftformer_xs 224     mobilevit_xxs 128
efficientvit_b0 128     efficientvit_m0 224     bat_resnext26ts 128     shvit_s1 128            levit_128s 224
mixer_s32_224 224       sequencer2d_s 224       coat_lite_tiny 224      botnet26t_256 256
"""


def _networks(package: str, lines: str, convolutional: bool) -> list[Network]:
    words = lines.split()
    sizes = map(int, words[1::2])
    return [Network(package, name, size, convolutional) for name, size in zip(words[::2], sizes, strict=True)]


NETWORKS = [
    *_networks("torchvision", TORCHVISION, True),
    *_networks("timm", TIMM, True),
    *_networks("torchvision", TORCHVISION_OTHER, False),
    *_networks("timm", TIMM_OTHER, False),
]
