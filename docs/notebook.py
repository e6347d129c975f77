# %% [markdown]
# # Gradients you can look at
#
# This notebook is a plain script. Open it in VS Code or Jupyter (`jupytext --to notebook docs/notebook.py`), or run it as a
# program, `python docs/notebook.py`. A cell that ends with a picture shows the picture.

# %%
import numpy as np

import autograd_lite as al
from autograd_lite import nn, optim

# %% [markdown]
# ## A number that remembers
#
# A `Variable` remembers how it was computed. One backward sweep gives the derivatives by all numbers on which it depends.

# %%
x, w, b = al.Variable(1.0, name="x"), al.Variable(0.5, name="w"), al.Variable(-0.25, name="b")
y = al.sigmoid(w * x + b)
y.name = "y"
y.backward()
assert w.grad == b.grad * x.value  # dy/dw = dy/dz · x, dy/db = dy/dz

# %%
al.draw(y)

# %% [markdown]
# `play` shows the forward pass and then the backward pass, step by step. `.save("y.html")` writes a page with it to a file.

# %%
player = al.draw(y).play()
assert player.startswith("<section")
player

# %% [markdown]
# ## Path by path
#
# Along a path the local gradients multiply; the products of different paths are added.

# %%
u = al.Variable(1.5, name="u")
v = al.sin(u) * u + u
derivation = al.explain(v, u)
assert "3 paths" in derivation
derivation

# %% [markdown]
# ## Why is a gradient zero? Where did the first NaN appear?

# %%
dead = al.relu(al.Variable(-3.0, name="w") * 2.0)
answer = al.why(dead * 4.0, dead.parents[0])
assert answer.cause == "dead relu"
answer

# %%
z = al.Variable(40.0, name="z")
culprit = al.blame(-al.log(1 - al.sigmoid(z)))
assert "softplus" in str(culprit)
culprit

# %% [markdown]
# ## A network
#
# A network is a nest (pytree) of arrays; its gradient is a network too. The loss is written for one sample; `vmap` runs it
# over a batch, and `jit` compiles it to machine code.

# %%
rng = np.random.default_rng(0)
angles = rng.uniform(0, np.pi, size=200)
upper = rng.random(200) < 0.5
points = np.where(upper, np.cos(angles), 1 - np.cos(angles)), np.where(upper, np.sin(angles), 0.5 - np.sin(angles))
inputs, targets = np.column_stack(points) + 0.1 * rng.normal(size=(200, 2)), nn.one_hot(upper.astype(int), 2)

network = nn.Network.create([2, 16, 16, 2], "tanh", rng)


def loss(network, x, t):
    """Cross-entropy of one sample."""
    return nn.cross_entropy(network(x), t)


step = al.jit(al.vmap(al.value_and_grad(loss), (None, 0, 0), reduce="mean"))
optimiser = optim.Adam(0.02)
state, losses, history = optimiser.init(network), [], []
for _ in range(150):
    value, gradient = step(network, inputs, targets)
    network, state = optimiser.update(gradient, state, network)
    losses.append(value)
    history.append(gradient)
answers = al.jit(al.vmap(nn.Network.__call__, (None, 0)))(network, inputs)
assert losses[-1] < losses[0] / 5
assert nn.accuracy(answers, targets) > 0.95

# %% [markdown]
# A network shows its arrays, a tape its program.

# %%
network

# %%
al.trace(al.sigmoid, 0.5)

# %% [markdown]
# ## How large is the gradient in each layer?

# %%
flow = al.gradient_flow(history)
assert flow.sizes.shape == (150, 3)
flow
