-- resdsl in Neovim 0.7 or later: copy this file to ~/.config/nvim/plugin/resdsl.lua.
--
-- It starts `resdsl lsp` (pip install 'resdsl[lsp]') for .res files: errors and shapes as you type, completion (<C-x><C-o>),
-- hover, rename, formatting. Settings go into `vim.g.resdsl`, before this file is read:
--
--   vim.g.resdsl = { cmd = { ".venv/bin/resdsl", "lsp" }, settings = { input = "N,3,H,W" } }

local options = vim.g.resdsl or {}
local server = {
  name = "resdsl",
  cmd = options.cmd or { "resdsl", "lsp" },
  filetypes = { "res" },
  root_markers = { ".git" },
  settings = { resdsl = options.settings or vim.empty_dict() },
}

-- Neovim's own guess for .res is another language.
if vim.fn.has("nvim-0.8") == 1 then
  vim.filetype.add({ extension = { res = "res" } })
else
  vim.api.nvim_create_autocmd({ "BufRead", "BufNewFile" }, { pattern = "*.res", command = "set filetype=res" })
end

local function prepare(buffer)
  vim.bo[buffer].commentstring = "# %s"
  vim.bo[buffer].shiftwidth = 2
  vim.bo[buffer].expandtab = true
  vim.bo[buffer].omnifunc = "v:lua.vim.lsp.omnifunc"
  -- With the compiled grammar in parser/res.so and its queries in queries/res/ of the runtime path.
  if #vim.api.nvim_get_runtime_file("parser/res.so", false) > 0 and vim.treesitter.start then
    vim.treesitter.start(buffer, "res")
  end
end

local function root(buffer)
  local found = vim.fn.finddir(".git", vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buffer), ":p:h") .. ";")
  return found ~= "" and vim.fn.fnamemodify(found, ":p:h:h") or vim.fn.getcwd()
end

local client -- only for Neovim 0.7, which has no vim.lsp.start

vim.api.nvim_create_autocmd("FileType", {
  pattern = "res",
  callback = function(event)
    prepare(event.buf)
    if vim.fn.has("nvim-0.11") == 1 then
      return
    end
    local config = vim.tbl_extend("keep", { root_dir = root(event.buf) }, server)
    if vim.lsp.start then
      vim.lsp.start(config, { bufnr = event.buf })
    else
      client = client or vim.lsp.start_client(config)
      vim.lsp.buf_attach_client(event.buf, client)
    end
  end,
})

if vim.fn.has("nvim-0.11") == 1 then
  vim.lsp.config("resdsl", server)
  vim.lsp.enable("resdsl")
end
if vim.lsp.inlay_hint then -- Neovim 0.10 or later
  vim.lsp.inlay_hint.enable()
end
