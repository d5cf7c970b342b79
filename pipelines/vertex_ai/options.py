"""What a training on Vertex AI may be told, by itself or as a stage of the chained command."""

import argparse


def add_vertex_options(parser: argparse.ArgumentParser) -> None:
    """Adds where the package goes, how the job is called and waited for, and what machine it gets."""
    add = parser.add_argument_group("Vertex AI").add_argument
    add("--staging", default="", metavar="GS", help="gs:// folder for the trainers' package; in the model's bucket")
    add("--display_name", default="", metavar="NAME", help="of the job, for people")
    add("--training_machine", metavar="TYPE", help="machine type; g2-standard-8 for gpu, ct5lp-hightpu-4t for tpu")
    add("--accelerator", metavar="NAME", help="of a GPU's machine; NVIDIA_L4")
    add("--accelerator_count", type=int, metavar="N", help="of a GPU's machine; 1")
    add("--tpu_topology", metavar="AxB", help="TPU chips; 2x2")
    add("--image", metavar="URI", help="container image with Python 3.10 or later; Google's for TensorFlow")
    add("--service_account", default="", metavar="EMAIL", help="whom the job runs as; Vertex AI's own account")
    add("--tensorboard", default="", metavar="NAME", help="projects/P/locations/R/tensorboards/ID to stream to")
    add("--api_endpoint", default="", metavar="HOST", help="of Vertex AI; Google's own in the region")
    add("--poll_seconds", type=float, default=30.0, metavar="S", help="between two looks at a job that is waited for")
