"""The language server: `archc.editor` behind the Language Server Protocol, over standard input and output.

The event loop does nothing but speak. One thread analyses, and gives up what a keystroke has made stale; another
answers.
"""
