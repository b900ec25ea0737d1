# %% [markdown]
# # A Vision Transformer in a minute
#
# Everything here is computed by NumPy, in this page. Run the cells one after the other with Shift + Enter; the first
# takes a few seconds longer, since Python is still being loaded.
#
# **A check names the mistake.** Here is attention with one line wrong. What is missing?

# %%
import numpy as np

from vitedu import check


def my_attention(q, k, v):
    scores = q @ k.swapaxes(-1, -2)
    A = np.exp(scores - scores.max(axis=-1, keepdims=True))
    A = A / A.sum(axis=-1, keepdims=True)
    return A @ v


check.attention(my_attention)

# %% [markdown]
# Mend the line with the scores and run the cell again. Notebook 03 builds attention from the start, its gradient too.
#
# **It learns.** A ViT of two blocks that has never seen a digit, 1437 handwritten ones to learn from, 360 others to be
# asked about. Notebook 07 explains every line of it, and trains a larger one.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
from tqdm import tqdm

import vitedu_numpy as vn
from vitedu import show
from vitedu.data import load_digits

show.style()
digits = load_digits()
model = vn.ViT(replace(vn.DIGITS_VIT, patch_size=4, depth=2), rng=0)  # four patches of 4 x 4 pixels
training = replace(vn.DIGITS_TRAINING, steps=800, warmup_steps=80)
history = vn.fit(model, digits.train_images, digits.train_labels, training, progress=tqdm)
accuracy = vn.evaluate(model, digits.test_images, digits.test_labels)
print(f"{100 * accuracy:.1f} % of the 360 digits that it has never seen are read rightly")

# %% [markdown]
# These it reads wrongly. Could you tell?

# %%
read = model(digits.test_images).argmax(axis=1)
wrong = np.flatnonzero(read != digits.test_labels)[:8]
fig, axes = plt.subplots(1, 8, figsize=(9, 1.5))
for ax in axes:
    ax.axis("off")
for ax, i in zip(axes, wrong, strict=False):
    ax.imshow(digits.test_images[i, 0], cmap="gray_r")
    ax.set_title(f"{digits.test_labels[i]}, not {read[i]}")
plt.show()
