"""Tests of the pages in a real browser: Debian's Chromium, driven by Playwright, over the real application.

- `served`   the application over a database of SQLite, behind its HTTP server in this process
- `night`    what is in its ledger
- `pages`    the table of all pages. A new page gets one line there
- `viewer`   a person at a browser: logged in, with what the browser's console says
- `steps`    what a person does for a task, counted
- `axe`      rules of accessibility
"""
