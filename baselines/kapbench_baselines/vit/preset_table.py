"""Published backbones as one table: what each is, where its weights are, how it is read.

A new one is a row of ROWS and its name in pyproject; a new family is an entry of FAMILIES too. No
library is imported here, so that `kapbench list models` stays fast.
"""

from dataclasses import dataclass

from kapbench_baselines.vit.preset_families import FAMILIES, Family

N_CELLS = 60  # along the letterbox, as DINOv2 has in published runs


@dataclass(frozen=True, slots=True)
class Preset:
    """One published backbone.

    Args:
        source: Repository of the hub, timm's name, or upstream's file.
        size: As people write it, e.g. ViT-B/16.
        trained_px: Side of the images that it was trained or last fine-tuned with.
        channels: Of a token.
        layer: Hidden state that is read: -1, the last block's output before any final norm.
        fixed_px: Side of the letterbox where it is not that of 60 patches.
        own_licence: Where it is not the family's.
    """

    name: str
    source: str
    size: str
    patch: int
    trained_px: int
    channels: int
    layer: int = -1
    fixed_px: int | None = None
    own_licence: str | None = None

    @property
    def licence(self) -> str:
        return self.own_licence or self.family.licence

    @property
    def family(self) -> Family:
        return FAMILIES[self.name.partition(".")[0]]

    @property
    def image_px(self) -> int:
        return self.fixed_px or N_CELLS * self.patch

    @property
    def attribute(self) -> str:
        """The name by which an entry point asks for the preset."""
        return self.name.replace(".", "_")

    @property
    def line(self) -> str:
        """What `kapbench list models` prints beside the name."""
        return f"{self.family.title} {self.size}, {self.image_px} px; {self.licence}"


# name, source, size, patch, px in training, channels
ROWS = (
    Preset("sam.vitb16", "facebook/sam-vit-base", "ViT-B/16", 16, 1024, 768, fixed_px=1024),
    Preset("sam.vitl16", "facebook/sam-vit-large", "ViT-L/16", 16, 1024, 1024, fixed_px=1024),
    Preset("sam.vith16", "facebook/sam-vit-huge", "ViT-H/16", 16, 1024, 1280, fixed_px=1024),
    Preset("mae.vitb16", "facebook/vit-mae-base", "ViT-B/16", 16, 224, 768),
    Preset("mae.vitl16", "facebook/vit-mae-large", "ViT-L/16", 16, 224, 1024),
    Preset("mae.vith14", "facebook/vit-mae-huge", "ViT-H/14", 14, 224, 1280),
    Preset(
        "vjepa2.vitl16",
        "facebook/vjepa2-vitl-fpc64-256",
        "ViT-L/16",
        16,
        256,
        1024,
        own_licence="MIT",
    ),
    Preset(
        "vjepa2.vith16",
        "facebook/vjepa2-vith-fpc64-256",
        "ViT-H/16",
        16,
        256,
        1280,
        own_licence="MIT",
    ),
    Preset("vjepa2.vitg16", "facebook/vjepa2-vitg-fpc64-256", "ViT-g/16", 16, 256, 1408),
    Preset("vjepa2.vitg16_384", "facebook/vjepa2-vitg-fpc64-384", "ViT-g/16 @384", 16, 384, 1408),
    Preset("siglip2.vitb16", "google/siglip2-base-patch16-512", "ViT-B/16", 16, 512, 768),
    Preset("siglip2.vitl16", "google/siglip2-large-patch16-512", "ViT-L/16", 16, 512, 1024),
    Preset("siglip2.so400m14", "google/siglip2-so400m-patch14-384", "So400m/14", 14, 384, 1152),
    Preset("siglip2.so400m16", "google/siglip2-so400m-patch16-512", "So400m/16", 16, 512, 1152),
    Preset("siglip2.giant16", "google/siglip2-giant-opt-patch16-384", "g-opt/16", 16, 384, 1536),
    Preset("pe.spatial_t16", "vit_pe_spatial_tiny_patch16_512.fb", "spatial T/16", 16, 512, 192),
    Preset("pe.spatial_s16", "vit_pe_spatial_small_patch16_512.fb", "spatial S/16", 16, 512, 384),
    Preset("pe.spatial_b16", "vit_pe_spatial_base_patch16_512.fb", "spatial B/16", 16, 512, 768),
    Preset("pe.spatial_l14", "vit_pe_spatial_large_patch14_448.fb", "spatial L/14", 14, 448, 1024),
    Preset(
        "pe.spatial_g14", "vit_pe_spatial_gigantic_patch14_448.fb", "spatial G/14", 14, 448, 1536
    ),
    Preset("pe.core_b16", "vit_pe_core_base_patch16_224.fb", "core B/16", 16, 224, 768),
    Preset("pe.core_l14", "vit_pe_core_large_patch14_336.fb", "core L/14", 14, 336, 1024),
    Preset("eva02.vits14", "eva02_small_patch14_224.mim_in22k", "ViT-S/14", 14, 224, 384),
    Preset("eva02.vitb14", "eva02_base_patch14_224.mim_in22k", "ViT-B/14", 14, 224, 768),
    Preset("eva02.vitl14", "eva02_large_patch14_224.mim_m38m", "ViT-L/14", 14, 224, 1024),
    Preset("ibot.vits16", "the teacher's backbone", "ViT-S/16", 16, 224, 384),
    Preset("ibot.vitb16", "the teacher's backbone", "ViT-B/16", 16, 224, 768),
    Preset("ibot.vitl16", "the teacher's backbone", "ViT-L/16", 16, 224, 1024),
    Preset("ibot.vitb16_in22k", "the student's backbone", "ViT-B/16 on ImageNet-22k", 16, 224, 768),
    Preset(
        "ibot.vitl16_in22k", "the student's backbone", "ViT-L/16 on ImageNet-22k", 16, 224, 1024
    ),
    Preset("dune.vits14", "dune_vitsmall14_448.pth", "ViT-S/14", 14, 448, 384),
    Preset("dune.vitb14", "dune_vitbase14_448.pth", "ViT-B/14", 14, 448, 768),
    Preset("dune.vitb14_336", "dune_vitbase14_336.pth", "ViT-B/14 @336", 14, 336, 768),
    Preset("dune.vitb14_paper", "dune_vitbase14_448_paper.pth", "ViT-B/14, paper", 14, 448, 768),
    Preset("vggt.encoder", "facebook/VGGT-1B", "ViT-L/14", 14, 518, 1024),
    Preset("c_radio.v3b", "nvidia/C-RADIOv3-B", "v3 ViT-B/16", 16, 512, 768),
    Preset("c_radio.v3l", "nvidia/C-RADIOv3-L", "v3 ViT-L/16", 16, 512, 1024),
    Preset("c_radio.v3h", "nvidia/C-RADIOv3-H", "v3 ViT-H/16", 16, 512, 1280),
    Preset("c_radio.v3g", "nvidia/C-RADIOv3-g", "v3 ViT-g/16", 16, 512, 1536),
    Preset("c_radio.v4so400m", "nvidia/C-RADIOv4-SO400M", "v4 So400m/16", 16, 512, 1152),
    Preset("c_radio.v4h", "nvidia/C-RADIOv4-H", "v4 ViT-H/16", 16, 512, 1280),
    Preset("am_radio.vitb16", "nvidia/RADIO-B", "ViT-B/16", 16, 768, 768),
    Preset("am_radio.vitl16", "nvidia/RADIO-L", "ViT-L/16", 16, 768, 1024),
    Preset("am_radio.vith16", "nvidia/RADIO-H", "ViT-H/16", 16, 768, 1280),
)
PRESETS = {preset.name: preset for preset in ROWS}


# Of DINO, DINOv2 and DINOv3, whose own modules read upstream's files: what is printed of them.
READ_BY_THEIR_OWN_MODULES = {
    "dino.vits8": "DINO ViT-S/8, keys of block 9, 224 px; Apache-2.0",
    "dino.vits16": "DINO ViT-S/16, keys of block 9, 224 px; Apache-2.0",
    "dino.vitb8": "DINO ViT-B/8, keys of block 9, 224 px; Apache-2.0",
    "dino.vitb16": "DINO ViT-B/16, keys of block 9, 224 px; Apache-2.0",
    "dinov2.vits14": "DINOv2 ViT-S/14, 840 px; Apache-2.0",
    "dinov2.vitb14": "DINOv2 ViT-B/14, 840 px; Apache-2.0",
    "dinov2.vitl14": "DINOv2 ViT-L/14, 840 px; Apache-2.0",
    "dinov2.vitg14": "DINOv2 ViT-g/14, 840 px; Apache-2.0",
    "dinov2.vits14reg": "DINOv2 ViT-S/14 with registers, 840 px; Apache-2.0",
    "dinov2.vitb14reg": "DINOv2 ViT-B/14 with registers, 840 px; Apache-2.0",
    "dinov2.vitl14reg": "DINOv2 ViT-L/14 with registers, 840 px; Apache-2.0",
    "dinov2.vitg14reg": "DINOv2 ViT-g/14 with registers, 840 px; Apache-2.0",
    "dinov3.vits16": "DINOv3 ViT-S/16, 960 px; DINOv3 License, gated",
    "dinov3.vits16plus": "DINOv3 ViT-S+/16, 960 px; DINOv3 License, gated",
    "dinov3.vitb16": "DINOv3 ViT-B/16, 960 px; DINOv3 License, gated",
    "dinov3.vitl16": "DINOv3 ViT-L/16, 960 px; DINOv3 License, gated",
    "dinov3.vith16plus": "DINOv3 ViT-H+/16, 960 px; DINOv3 License, gated",
    "dinov3.vit7b16": "DINOv3 ViT-7B/16, 960 px; DINOv3 License, gated",
}


def lines() -> dict[str, str]:
    """Of published backbones, what `kapbench list models` prints beside the name."""
    return READ_BY_THEIR_OWN_MODULES | {preset.name: preset.line for preset in ROWS}
