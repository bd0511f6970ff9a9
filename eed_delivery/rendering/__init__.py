"""Rendering, from a job's templates and an email's content to the finished message.

A job is compiled once, and each of its emails is rendered from that. A `Renderer` is safe to share between threads.

- `renderer`       makes the message, by the others
- `templates`      compiles and runs templates
- `sandbox`        Jinja2's sandbox with limits, `budget` what one run may use, `filters` bounded filters
- `variables`      the values that a template sees, and `missing` those that are NULL
- `files`          the files of an email for file channels, and `file_paths` what a path may be
- `manifest_paths` where the manifests of file channels are put
- `mime`           the message as bytes
- `headers`        header lines, and the check of the finished header block
- `addresses`      mailboxes of From, To and Reply-To
- `attachments`    attachments, from `local_files` or `s3_objects`
- `shared_parts`   attachments that all emails of a job share
- `file_names`     names of attachments
- `plain_text`     the text part from the HTML, `text_layout` its lines
- `html_limits`    limits of the HTML that the text part is made from
- `visibility`     what a reader of the HTML does not see, by `css` and `style_sheets`
- `job_links`      links of ours in a job's emails, and `unsubscribe` the List-Unsubscribe header
- `header_reading` what a mail program shows of a header
"""
