[ (body) (parameters) (arguments) (list) (use) ] @indent.begin
[ "}" ")" "]" ] @indent.branch @indent.end
