;;; eglot.el --- Run in Emacs: ask the server through eglot, and write the answers as JSON -*- lexical-binding: t; -*-

;;; Code:

(require 'res-mode)
(require 'flymake)
(require 'json)

(defun answers-wait (what ready)
  "Wait until READY, at most half a minute; WHAT is missing otherwise."
  (let ((end (+ (float-time) 30)))
    (while (not (funcall ready))
      (when (> (float-time) end) (error "No %s" what))
      (accept-process-output nil 0.05))))

(find-file (getenv "RESDSL_FILE"))
(setq eglot-sync-connect 30)
(eglot-ensure)
(run-hooks 'post-command-hook) ; eglot connects after the command that opens a file
(answers-wait "server" #'eglot-current-server)
(answers-wait "diagnostics" (lambda () (flymake-start) (flymake-diagnostics)))
(let ((mode (symbol-name major-mode))
      (diagnostics (mapcar #'flymake-diagnostic-text (flymake-diagnostics)))
      renamed formatted)
  (goto-char (point-min))
  (search-forward "cnv(")
  (replace-match "conv(")
  (eglot--signal-textDocument/didChange) ; which a timer does where someone types
  (answers-wait "end of diagnostics" (lambda () (flymake-start) (null (flymake-diagnostics))))
  (goto-char (point-min))
  (search-forward "bloc_of_two")
  (backward-char 3)
  (eglot-rename "unit")
  (setq renamed (buffer-string))
  (eglot-format-buffer)
  (setq formatted (buffer-string))
  (with-temp-file (getenv "RESDSL_ANSWERS")
    (insert (json-encode `((mode . ,mode) (diagnostics . ,(vconcat diagnostics))
                           (renamed . ,renamed) (formatted . ,formatted)))))
  (set-buffer-modified-p nil))
(kill-emacs 0)
;;; eglot.el ends here
