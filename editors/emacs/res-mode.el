;;; res-mode.el --- Residual networks as text -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1") (eglot "1.9"))
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; A major mode for .res files of resdsl, with its language server (pip install 'resdsl[lsp]').  Put this file on the
;; load path and (require 'res-mode) into your init file.  M-x eglot starts the server, or this does in each file:
;;
;;   (add-hook 'res-mode-hook #'eglot-ensure)

;;; Code:

(require 'eglot)

(defvar res-mode-syntax-table
  (let ((table (make-syntax-table)))
    (modify-syntax-entry ?# "<" table)
    (modify-syntax-entry ?\n ">" table)
    (modify-syntax-entry ?_ "_" table)
    table)
  "Syntax of res-mode: comments from # to the end of the line.")

(defconst res-mode-keywords
  '("use" "model" "block" "input" "output" "tap" "from" "const" "default" "preprocess" "labels" "expect" "stage" "aux"
    "residual" "shortcut" "concat" "add" "mul" "mean" "if" "else" "for" "in" "and" "or" "not")
  "Keywords of the language.")

(defconst res-mode-font-lock
  `((,(regexp-opt res-mode-keywords 'symbols) . font-lock-keyword-face)
    (,(regexp-opt '("true" "false") 'symbols) . font-lock-constant-face)
    ("\\_<\\(?:model\\|block\\)\\s-+\\(\\(?:\\sw\\|\\s_\\)+\\)" 1 font-lock-function-name-face)
    ("\\_<\\([A-Za-z0-9_.{}]+\\)\\s-*:[^:=]" 1 font-lock-variable-name-face))
  "Colours of res-mode; the server adds those that need to know the text.")

;;;###autoload
(define-derived-mode res-mode prog-mode "res"
  "Major mode for networks in the language of resdsl."
  (setq-local comment-start "# ")
  (setq-local comment-end "")
  (setq-local indent-tabs-mode nil)
  (setq-local tab-width 2)
  (setq-local font-lock-defaults '(res-mode-font-lock)))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.res\\'" . res-mode))

(add-to-list 'eglot-server-programs '(res-mode "resdsl" "lsp"))

(provide 'res-mode)
;;; res-mode.el ends here
