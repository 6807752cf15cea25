"""From images on disk to fastai DataLoaders: data sets, splits, augmentation, loaders."""
