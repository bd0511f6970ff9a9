"""`eed-delivery demo` runs the whole service on one machine, with a mail server that misbehaves, and checks the result.

- `command`        the command
- `play`           the demo from beginning to end
- `workspace`      its directory
- `configuration`  its configuration file
- `batch`          registers the job, with `people` as customers and `statements` as PDF files
- `mail_server`    the mail server
- `processes`      ministack and the service, on free `ports`
- `progress`       watches the job
- `checks`         compares the tables with the stored emails
- `second_act`     the same statements by three channels, with `second_checks` of what has arrived
- `partner`        the partner's SFTP server
- `page`           the operators' page that stays open, which `page_process` runs
- `lambda_play`    the demo of functions, with `lambda_configuration` and `lambda_account` as what is around them
- `lambda_emulator` a function under AWS's own runtime client and emulator
- `report`         what it prints at its end

The service itself is the real `eed-delivery run`. A SQLite file replaces MySQL, and ministack replaces SQS and S3. It
needs the extra `demo`, and `operators` for the page.
"""
