"""The same over fastai's own loaders of a folder: `python from_folder.py FOLDER`."""

import sys

from fastai.vision.all import *

from sslfast import classifier_learner, finetune_learner, linear_probe, save_encoder, vae_learner

folder = Path(sys.argv[1])
dls = ImageDataLoaders.from_folder(
    folder, train="train", valid_pct=0.3, seed=0, bs=8, num_workers=0,
    item_tfms=Resize(32), batch_tfms=[*aug_transforms(size=28), Normalize.from_stats(*imagenet_stats)],
)  # fmt: skip
dls.show_batch(nrows=1, ncols=4)

vae = vae_learner(dls, "conv", latent=16, seed=0)
vae.fit_one_cycle(3, vae.lr_find(num_it=20, show_plot=False).valley)
losses, rows, items = Interpretation.from_learner(vae).top_losses(4, items=True)
vae.show_results(dl=dls.test_dl(items, with_labels=True))
rebuilt, *_ = vae.predict(dls.valid_ds.items[0])
show_image(rebuilt)
print("linear probe:", linear_probe(vae, dls).accuracy)
save_encoder(vae, folder / "vae.safetensors", trained_by="from_folder.py")

learn = classifier_learner(dls, folder / "vae.safetensors", seed=0)
learn.fit(3, 3e-3, cbs=[MixUp(), GradientClip(1.0), EarlyStoppingCallback(patience=2)])
learn.show_results(max_n=4, nrows=2)

tuned = finetune_learner(dls, vae, seed=0, wd=0.1)
tuned.fit_one_cycle(3, slice(1e-4, 1e-3), cbs=GradientAccumulation(16))
losses, rows = Interpretation.from_learner(tuned).top_losses(3)
print("hardest:", [dls.valid_ds.items[i].name for i in rows])

scores, _ = tuned.get_preds(dl=dls.test_dl(get_image_files(folder / "test")))
print("classes of the test images:", [dls.vocab[i] for i in scores.argmax(1)])
print("averaged over views:", accuracy(*tuned.tta(n=2)).item())
