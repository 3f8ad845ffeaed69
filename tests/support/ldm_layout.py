"""A pipeline of diffusers as one file under the names of the original Stable Diffusion.

Written from the names of the released files' tensors, the other way round than diffusers converts.
"""

import re

LAYERS = 2
RESNET = (
    ("norm1.", "in_layers.0."),
    ("conv1.", "in_layers.2."),
    ("time_emb_proj.", "emb_layers.1."),
    ("norm2.", "out_layers.0."),
    ("conv2.", "out_layers.3."),
    ("conv_shortcut.", "skip_connection."),
)
ENDS = (
    ("time_embedding.linear_1.", "time_embed.0."),
    ("time_embedding.linear_2.", "time_embed.2."),
    ("conv_in.", "input_blocks.0.0."),
    ("conv_norm_out.", "out.0."),
    ("conv_out.", "out.2."),
)
ATTENTION = (
    ("group_norm.", "norm."),
    ("to_q.", "q."),
    ("to_k.", "k."),
    ("to_v.", "v."),
    ("to_out.0.", "proj_out."),
)
OPENCLIP = (
    ("embeddings.token_embedding.", "token_embedding."),
    ("embeddings.position_embedding.weight", "positional_embedding"),
    ("final_layer_norm.", "ln_final."),
    ("encoder.layers.", "transformer.resblocks."),
    ("layer_norm1.", "ln_1."),
    ("layer_norm2.", "ln_2."),
    ("mlp.fc1.", "mlp.c_fc."),
    ("mlp.fc2.", "mlp.c_proj."),
    ("self_attn.out_proj.", "attn.out_proj."),
)


def replaced(name, pairs):
    for old, new in pairs:
        name = name.replace(old, new)
    return name


def unet(state):
    with_attention = {int(k.split(".")[1]) for k in state if re.match(r"up_blocks\.\d+\.att", k)}
    found = {}
    for key, value in state.items():
        name = key
        if match := re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", key):
            way, level, kind, layer, rest = match.groups()
            level, layer = int(level), int(layer)
            step = LAYERS + 1
            if kind == "downsamplers":
                name = f"input_blocks.{step * (level + 1)}.0.op.{rest.removeprefix('conv.')}"
            elif kind == "upsamplers":
                place = 2 if level in with_attention else 1
                name = f"output_blocks.{step * level + LAYERS}.{place}.{rest}"
            else:
                rest = replaced(rest, RESNET) if kind == "resnets" else rest
                part = 0 if kind == "resnets" else 1
                at = 1 + step * level + layer if way == "down" else step * level + layer
                name = f"{'input' if way == 'down' else 'output'}_blocks.{at}.{part}.{rest}"
        elif match := re.match(r"mid_block\.(\w+)\.(\d+)\.(.*)", key):
            kind, layer, rest = match.groups()
            place = 1 if kind == "attentions" else 2 * int(layer)
            rest = replaced(rest, RESNET) if kind == "resnets" else rest
            name = f"middle_block.{place}.{rest}"
        else:
            name = replaced(key, ENDS)
        found[f"model.diffusion_model.{name}"] = value
    return found


def vae(state, levels=4):
    found = {}
    for key, value in state.items():
        name = key.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        name = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", name)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", name)
        for i in range(levels):
            name = name.replace(f"up_blocks.{i}.resnets.", f"up.{levels - 1 - i}.block.")
            name = name.replace(f"up_blocks.{i}.upsamplers.0.", f"up.{levels - 1 - i}.upsample.")
        name = re.sub(r"mid_block\.resnets\.(\d)\.", lambda m: f"mid.block_{int(m[1]) + 1}.", name)
        if "mid_block.attentions.0." in name:
            name = replaced(name.replace("mid_block.attentions.0.", "mid.attn_1."), ATTENTION)
            if value.ndim == 2:
                value = value[:, :, None, None]  # noqa: PLW2901  a convolution of one pixel there
        found[f"first_stage_model.{name}"] = value
    return found


def text(state, *, opened):
    import torch

    if not opened:
        return {
            f"cond_stage_model.transformer.text_model.{k.removeprefix('text_model.')}": v
            for k, v in state.items()
        }
    found, joined = {}, {}
    for key, value in state.items():
        name = replaced(key.removeprefix("text_model."), OPENCLIP)
        if match := re.match(r"(.*)self_attn\.([qkv])_proj\.(weight|bias)", name):
            joined.setdefault(f"{match[1]}attn.in_proj_{match[3]}", {})[match[2]] = value
        else:
            found[f"cond_stage_model.model.{name}"] = value
    for name, parts in joined.items():
        found[f"cond_stage_model.model.{name}"] = torch.cat([parts[k] for k in "qkv"])
    width = found["cond_stage_model.model.positional_embedding"].shape[1]
    found["cond_stage_model.model.text_projection"] = torch.zeros(width, width)
    return found


def state_of(parts, *, opened):
    return {
        **unet(parts.unet.state_dict()),
        **vae(parts.vae.state_dict()),
        **text(parts.text_encoder.state_dict(), opened=opened),
    }
