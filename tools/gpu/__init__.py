"""What has never run on a CPU alone, run and measured on a machine with GPUs: `make test-gpu`."""
