"""A spec in a browser: its text to be edited, what is wrong with it, its picture and its figures, as the text stands.

A `Live` spec holds the text, follows the file and what it imports, and has each text analysed by `archc.editor`. What
it says goes onto a `Board`, of which every window has the latest. `server` is the page's only way to it.
"""
