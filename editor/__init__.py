"""What an editor asks of a text: pure functions from a document and a character to an answer, over the elaborator.

- A `Workspace` holds the texts of the files that are open, as they are in the editor; others are read from the disk.
- `analysed` gives the `Document` of a file step by step: read, then one architecture elaborated, then all of them. Each
  step is an answer that is whole in itself, so that a keystroke shows its effect before everything is checked.
- An elaboration keeps account of what is applied where (`trace`): the shapes, parameters and multiply-adds of a hover.
- `names` says what each name of a text means, also where the text does not parse.

Every function takes a text that is broken in any way, and answers as far as it is understood. Characters are counted
from 0.
"""
