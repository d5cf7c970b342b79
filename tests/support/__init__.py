"""Code for the tests of several folders: servers, ports, films, images, workers and virtual environments."""
