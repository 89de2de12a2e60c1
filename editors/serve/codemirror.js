// What the page takes of CodeMirror.
export { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, snippetCompletion } from '@codemirror/autocomplete';
export { defaultKeymap, history, historyKeymap, indentWithTab, toggleComment } from '@codemirror/commands';
export {
  bracketMatching, indentOnInput, indentUnit, StreamLanguage, syntaxHighlighting,
} from '@codemirror/language';
export { lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint';
export { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
export { Compartment, EditorSelection, EditorState, StateEffect, StateField, Transaction } from '@codemirror/state';
export {
  Decoration, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, hoverTooltip, keymap, lineNumbers,
} from '@codemirror/view';
export { Tag, tagHighlighter } from '@lezer/highlight';
