; Captures are those that Neovim, Helix and Zed have colours for. Later patterns take precedence in Neovim, earlier ones
; in Helix, so no node is captured by two of them.

(comment) @comment
(string) @string
(boolean) @boolean
(integer) @number
(size) @number
(float) @number.float

[ "use" "model" "block" "input" "output" "tap" "from" "const" "default" "preprocess" "labels" "expect" "stage" "aux"
  "residual" "shortcut" "concat" "add" "mul" "mean" ] @keyword
[ "if" "else" ] @keyword.conditional
[ "for" "in" "x" ] @keyword.repeat
[ "and" "or" "not" ] @keyword.operator
[ "==" "!=" "<" "<=" ">" ">=" "+" "-" "*" "/" "//" "%" "=" ".." "->" ] @operator
[ "(" ")" "[" "]" "{" "}" ] @punctuation.bracket
[ "," ":" ";" ] @punctuation.delimiter

(use imported: (name) @function)
(model name: (name) @function)
(block name: (name) @function)
(call operator: (name) @function.call)
(default operator: (name) @function.call)
(function_call function: (name) @function.builtin)

(parameter name: (name) @variable.parameter)
(named_argument name: (name) @variable.parameter)
(type (name) @type)
(enumeration word: (name) @constant)

(label (word) @label)
(input name: (name) @variable)
(output name: (name) @variable)
(tap name: (name) @label)
(resume tap: (name) @label)
(constant name: (name) @constant)
(expect quantity: (name) @property)
