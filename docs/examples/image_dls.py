"""An encoder that learns from all images of a folder, and a classifier over it: `python image_dls.py FOLDER`."""

import sys

from fastai.vision.all import *

from sslfast import classifier_learner, image_dls, knn, simclr_learner, supervised_learner

folder = Path(sys.argv[1])  # train/<class>/, and where there are any, test/<class>/ and unlabelled/
dls = image_dls(folder, labelled=0.5, seed=0, bs=16, image_size=32, num_workers=2)
dls.classify.summary()
dls.pretrain.show_batch(nrows=2, max_n=4)

ssl = simclr_learner(dls.pretrain, "conv", seed=0, cbs=ShowGraphCallback())
rate = ssl.lr_find(num_it=20, show_plot=False).valley
ssl.fit_one_cycle(3, rate)
ssl.recorder.plot_loss()
ssl.show_results(max_n=4)
print("nearest neighbours:", knn(ssl, dls).accuracy)

learn = classifier_learner(dls.classify, ssl, seed=0, metrics=[accuracy, error_rate])
learn.fit_one_cycle(5, 3e-3, cbs=SaveModelCallback(monitor="accuracy"))
learn.unfreeze()
learn.fit_one_cycle(2, slice(1e-4, 1e-3))

interp = ClassificationInterpretation.from_learner(learn)
interp.plot_confusion_matrix(figsize=(4, 4))
interp.plot_top_losses(4, nrows=2)
print(interp.most_confused())

files = get_image_files(folder / "test")
scores, true = learn.tta(dl=learn.dls.test_dl(files, with_labels=True), n=2)
print("test images:", accuracy(scores, true).item())

learn.export(folder / "learner.pkl")
again = load_learner(folder / "learner.pkl")
forms = [files[0], PILImage.create(files[0]), files[0].read_bytes(), array(PILImage.create(files[0]))]
print("one image in four forms:", [again.predict(form)[0] for form in forms])

baseline = supervised_learner(dls.classify, "conv", seed=0)
baseline.fit_one_cycle(5, 3e-3)
print("labels alone:", baseline.validate(dl=dls.test))
