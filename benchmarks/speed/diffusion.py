"""Time and peak memory of Stable Diffusion's features for one image.

    python benchmarks/speed/diffusion.py [--device cuda]

The networks have their true size and random weights: nothing is downloaded, and speed does not
depend on weights. Each line is measured in its own process. On a GPU (--device cuda) weights are in
fp16 and, for comparison with the published scripts, in fp32.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

CASES = {
    "sd.v15, 960 px in windows of 512": ("v15", 960, 512, 1),
    "sd.v15, whole 960 px image": ("v15", 960, 0, 1),
    "dift, 768 px, ensemble of 8": ("v21", 768, 0, 8),
}


def networks(tag):
    import torch
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

    torch.manual_seed(0)
    v1 = tag == "v15"
    unet = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=(320, 640, 1280, 1280),
        layers_per_block=2,
        cross_attention_dim=768 if v1 else 1024,
        use_linear_projection=not v1,
        attention_head_dim=8 if v1 else (5, 10, 20, 20),
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
    )
    vae.decoder = None
    return unet.eval(), vae.eval(), DDPMScheduler(beta_schedule="scaled_linear")


def measure(tag, image_px, window, ensemble, device, precision):
    import torch

    from kapbench_baselines.diffusion.network import Diffusion
    from kapbench_baselines.diffusion.pipeline_files import Parts
    from kapbench_baselines.diffusion.read_settings import DIFT, SD_DINO

    unet, vae, scheduler = networks(tag)
    dtype = torch.float16 if precision == "fp16" else torch.float32
    unet, vae = unet.to(device, dtype), vae.to(device, dtype)
    parts = Parts(unet, vae, torch.nn.Identity(), None, scheduler, "random")
    preset = DIFT if tag == "v21" else SD_DINO
    reading = preset.changed(tag, {"image_px": image_px, "window": window or None})
    network = Diffusion(parts, reading, tag, device)
    side = window or image_px
    image = torch.randint(0, 256, (3, side, side), dtype=torch.uint8)
    states = torch.randn(1, 77, unet.config.cross_attention_dim, device=device, dtype=dtype)
    n_windows = len(range(0, image_px, side)) ** 2
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds = []
    for _ in range(1 if device == "cpu" else 5):
        start = time.perf_counter()
        for _ in range(n_windows):
            network.maps(image, states, batch=1 if device == "cpu" else ensemble)
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    weights = sum(p.nbytes for net in (unet, vae) for p in net.parameters()) / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if device != "cpu":
        peak = torch.cuda.max_memory_allocated() / 2**30
    return {
        "seconds": round(sorted(seconds)[len(seconds) // 2], 2),
        "weights_gib": round(weights, 2),
        "peak_gib": round(peak, 2),
        "before_gib": round(before, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default=None)
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--only", help="measure only cases whose name contains this")
    arguments = parser.parse_args()
    if arguments.case:
        tag, *numbers = arguments.case
        print(json.dumps(measure(tag, *map(int, numbers), arguments.device, arguments.precision)))
        return
    for name, case in CASES.items():
        for precision in ["fp32"] if arguments.device == "cpu" else ["fp32", "fp16"]:
            if arguments.only and arguments.only not in name:
                continue
            command = [
                sys.executable,
                __file__,
                "--device",
                arguments.device,
                "--precision",
                precision,
            ]
            finished = subprocess.run(
                [*command, "--case", *map(str, case)], capture_output=True, text=True, check=False
            )
            last_line = (finished.stdout or finished.stderr or "killed").strip().splitlines()[-1]
            print(f"{name}, {precision}, {arguments.device}: {last_line}", flush=True)


if __name__ == "__main__":
    main()
