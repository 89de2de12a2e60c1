"""Graph to torch and ONNX, weights, and running what is made: the one package that imports torch.

Every layer says how it becomes torch as data, and `targets` resolves these names against an allow-list: nothing from a
spec ever becomes one.

What is written is what was checked. Each writer makes a file beside its target, loads it, and moves it into place only
when it has done what the module does. `trials` finds legal sizes, the usual ones and small ones. `check` runs the
module in each, in evaluation and in training, within budgets of work and memory, and says what it leaves out.
`agreement` compares run by run. Tensors that start constant get random values for that time: if all of them were 1, it
would not show that two are exchanged.
"""
