[ (body) (parameters) (arguments) (list) (use) ] @fold
