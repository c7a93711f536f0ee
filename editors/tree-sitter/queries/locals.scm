; A block or model is a scope, and so is a loop. Labels and taps are no variables.

[ (model) (block) (loop) ] @local.scope

(model name: (name) @local.definition.function)
(block name: (name) @local.definition.function)
(use imported: (name) @local.definition.import)
(parameter name: (name) @local.definition.parameter)
(constant name: (name) @local.definition.constant)
(loop variables: (name) @local.definition.var)
(row (name) @local.definition.var)

(call operator: (name) @local.reference)
(name) @local.reference
