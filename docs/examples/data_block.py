"""The same over a DataBlock of images that a table names: `python data_block.py FOLDER`."""

import sys

from fastai.vision.all import *

from sslfast import autoencoder_learner, classifier_learner, rotation_learner, supervised_learner

folder = Path(sys.argv[1])
files = get_image_files(folder / "train")
table = pd.DataFrame({"file": files, "class": [parent_label(file) for file in files]})

block = DataBlock(
    blocks=(ImageBlock(PILImageBW), CategoryBlock),
    get_x=ColReader("file"),
    get_y=ColReader("class"),
    splitter=RandomSplitter(0.3, seed=0),
    item_tfms=Resize(28),
    batch_tfms=Normalize.from_stats([0.5], [0.25]),
)
dls = block.dataloaders(table, bs=8, num_workers=0)
dls.show_batch(max_n=4)

scores = {}
for make in (autoencoder_learner, rotation_learner):
    ssl = make(dls, "original", seed=0)
    ssl.fit_one_cycle(2, 3e-3)
    ssl.show_results(max_n=4)
    learn = classifier_learner(dls, ssl, seed=0)
    with learn.no_bar(), learn.no_logging():
        learn.fit_flat_cos(4, 3e-3)
    scores[make.__name__] = learn.validate()[1]

baseline = supervised_learner(dls, "original", seed=0, opt_func=ranger, loss_func=LabelSmoothingCrossEntropyFlat())
baseline.fit_flat_cos(4, 3e-3, cbs=ReduceLROnPlateau(patience=2))
scores["labels alone"] = baseline.validate()[1]
print(pd.Series(scores, name="accuracy"))

path = baseline.save(folder / "baseline")  # without a folder, in models/ of where you are
print(path, "can be loaded:", baseline.load(folder / "baseline").predict(files[0])[0])
