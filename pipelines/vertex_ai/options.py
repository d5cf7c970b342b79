"""The options of a training on Vertex AI, for `pipelines.vertex` and `pipelines.preprocess_and_train`."""

import argparse


def add_vertex_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for the name of the job, its machine, and the wait for its end."""
    add = parser.add_argument_group("Vertex AI").add_argument
    add("--display_name", default="", metavar="NAME", help="display name of the job")
    add("--training_machine", metavar="TYPE", help="machine type (default: gpu: g2-standard-8, tpu: ct5lp-hightpu-4t)")
    add("--accelerator", metavar="NAME", help="GPU type (default: NVIDIA_L4)")
    add("--accelerator_count", type=int, metavar="N", help="number of GPUs (default: 1)")
    add("--tpu_topology", metavar="AxB", help="arrangement of the TPU chips (default: that of the machine)")
    add("--image", metavar="URI", help="container image (default: built from docker/gpu or docker/tpu)")
    add("--service_account", default="", metavar="EMAIL", help="account that runs the job (default: Vertex AI's)")
    add("--tensorboard", default="", metavar="NAME", help="instance: projects/P/locations/R/tensorboards/ID")
    add("--api_endpoint", default="", metavar="HOST", help="address of Vertex AI (default: Google's in the region)")
    add("--poll_seconds", type=float, default=30.0, metavar="S", help="seconds between requests for the job's state")
