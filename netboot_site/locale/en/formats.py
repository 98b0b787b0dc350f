"""Times as everywhere else on the site: the day first, with seconds, in UTC."""

DATETIME_FORMAT = "Y-m-d H:i:s"
DATE_FORMAT = "Y-m-d"
