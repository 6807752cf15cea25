"""From a folder of images to a config with reasons, which fits a time: `sslfast init ~/pictures`."""
