"""The SQL of a check-in: what decides is read, and that the machine asked is recorded, in one statement.

Its cost does not grow with the number of devices, since every table is reached by a unique index. psycopg
remembers its analysis of a statement of up to 4,096 characters only: so they are short, and on one line.
"""

from __future__ import annotations

# A Situation (decision.py) as JSON; the recorder keeps it with the event. Secrets stand beside it, not in it.
_INSTALLERS = """
        'installer', CASE WHEN o.name IS NOT NULL THEN jsonb_build_object(
            'name', o.name, 'path', o.path, 'kernel', o.kernel,
            'initrd', o.initrd, 'cmdline', o.kernel_cmdline) END,
        'installers', CASE WHEN e.id IS NULL OR p.boot_once = 'menu' THEN (
            SELECT jsonb_agg(jsonb_build_object(
                'name', f.name, 'path', f.path, 'kernel', f.kernel,
                'initrd', f.initrd, 'cmdline', f.kernel_cmdline))
            FROM (
                SELECT * FROM bootflow_installer
                WHERE device_type = coalesce(found.device_type, nullif(%(device_type)s::text, ''))
                ORDER BY name LIMIT 20) AS f) END"""
_INSTALLER = """
    LEFT JOIN bootflow_installer AS o
        ON o.name = p.boot_once_installer_id AND p.boot_once = 'installer'"""
_PLAN = f"""
plan AS (
    SELECT e.chap_username, e.chap_secret, jsonb_strip_nulls(jsonb_build_object(
        'state', found.state,
        'name', coalesce(nullif(found.name, ''), found.facts ->> 'product'),
        'device_type', coalesce(found.device_type, nullif(%(device_type)s::text, '')),
        'kernel_set', coalesce(
            p.kernel_set_id, (SELECT name FROM bootflow_kernelset WHERE is_default), 'default'),
        'boot_once', nullif(p.boot_once, ''),
        'identity', CASE WHEN e.id IS NOT NULL THEN %(identity)s::boolean END,
        'gave_up', CASE WHEN %(gave_up)s::boolean AND found.state = 'discovered' THEN true END,
        'disk', CASE WHEN e.id IS NOT NULL THEN jsonb_build_object(
            'image_id', i.id,
            'iqn', %(prefix)s::text || ':' || i.id
                || CASE WHEN e.mode = 'overlay' THEN '.' || %(hex)s::text ELSE '' END,
            'initiator_name', %(prefix)s::text || ':device.' || %(hex)s::text,
            'address', coalesce(host(n.portal_address), ''),
            'port', n.portal_port,
            'ready', e.observed_state = 'ready',
            'trouble', e.last_error) END,{_INSTALLERS}
    )) AS plan
    FROM (SELECT) AS one
    LEFT JOIN found ON true
    LEFT JOIN images_export AS e ON e.device_id = found.id
    LEFT JOIN images_image AS i ON i.id = e.image_id
    LEFT JOIN images_storagenode AS n ON n.name = i.node_id
    LEFT JOIN bootflow_bootplan AS p ON p.device_id = found.id{_INSTALLER}
)"""  # noqa: S608

# Of a machine that boots also how it has its disk, whether that is to begin anew (`due`), and whether what
# was seen behind its target is still what should be there.
_PLAN_OF_BOOT = (
    _PLAN.replace(
        "e.observed_state = 'ready'",
        """e.observed_state = 'ready'
                AND coalesce(e.observed_layer_number = coalesce(l.number, i.generation), true)""",
    )
    .replace(
        "'trouble', e.last_error)",
        """
            'trouble', e.last_error, 'mode', e.mode, 'persistence', e.persistence, 'version', v.number,
            'paused', CASE WHEN e.observed_state = 'paused' THEN true END,
            'due', CASE WHEN e.observed_stale THEN 'move' WHEN e.persistence = 'reset'
                AND coalesce(e.handed_out_at, l.used_at) IS NOT NULL THEN 'reset' END)""",
    )
    .replace(
        "LEFT JOIN images_image AS i",
        """LEFT JOIN images_layer AS l ON l.id = e.layer_id
    LEFT JOIN images_version AS v ON v.id = l.base_version_id
    LEFT JOIN images_image AS i""",
    )
)

# Of a Raspberry Pi also whether the files that its firmware fetches are there; it starts no installer.
_PLAN_OF_PI = (
    _PLAN_OF_BOOT.replace(
        _INSTALLERS,
        """
        'tree', (
            SELECT jsonb_build_object('state', t.state, 'why', t.last_error, 'missing', t.missing)
            FROM bootflow_pitree AS t WHERE t.device_id = found.id)""",
    )
    .replace(_INSTALLER, "")
    .replace("found.facts ->> 'product'", "found.facts ->> 'model'")
)

_FOUND = """
WITH found AS (
    SELECT id, name, device_type, facts,
        CASE WHEN ignored_at IS NULL THEN state ELSE 'ignored' END AS state
    FROM devices_device WHERE mac = %(mac)s::text
)"""

_SEEN = """
seen AS (
    UPDATE devices_device SET
        last_seen_at = statement_timestamp(),
        first_seen_at = coalesce(first_seen_at, statement_timestamp())
    WHERE id = (SELECT id FROM found)
)"""

# What it told of itself.
_DESCRIBED = """
seen AS (
    UPDATE devices_device SET
        last_seen_at = statement_timestamp(),
        first_seen_at = coalesce(first_seen_at, statement_timestamp()),
        facts = facts || %(facts)s::jsonb,
        serial = coalesce(nullif(%(serial)s::text, ''), serial),
        architecture = coalesce(nullif(%(architecture)s::text, ''), architecture),
        firmware = coalesce(nullif(%(firmware)s::text, ''), firmware)
    WHERE id = (SELECT id FROM found)
)"""

# The serial that a person gave a Raspberry Pi, or that was learnt before it was enrolled, stays; another one
# is noted beside it. It may be told whole or by its last eight digits.
_KEPT = "state <> 'discovered' AND serial <> '' AND %(serial)s::text <> ''"
_DESCRIBED_PI = _DESCRIBED.replace(
    "serial = coalesce(nullif(%(serial)s::text, ''), serial)",
    f"serial = CASE WHEN {_KEPT} THEN serial ELSE coalesce(nullif(%(serial)s::text, ''), serial) END",
).replace(
    "facts || %(facts)s::jsonb",
    f"""facts || %(facts)s::jsonb || jsonb_strip_nulls(jsonb_build_object('serial_seen',
            CASE WHEN {_KEPT} AND right(serial, 8) <> right(%(serial)s::text, 8)
                THEN %(serial)s::text END))""",
)

# A first script request after a disk or an installer was reached: the machine has been powered on again.
_CLOSED = """
closed AS (
    UPDATE bootflow_boot SET finished_at = statement_timestamp(), outcome = 'failed',
        reason = 'Powered on again before its operating system was seen.'
    WHERE mac = %(mac)s::text AND finished_at IS NULL AND stage IN ('installer', 'iscsi', 'os')
    RETURNING id
)"""

_OPEN_BOOT = """
open_boot AS (
    INSERT INTO bootflow_boot AS b (mac, started_at, last_event_at, stage, outcome, reason)
    SELECT %(mac)s::text, statement_timestamp(), statement_timestamp(), 'script', '', '' FROM found
    WHERE state <> 'ignored'
    ON CONFLICT (mac) WHERE finished_at IS NULL DO UPDATE SET
        last_event_at = excluded.last_event_at,
        stage = CASE WHEN b.stage IN ('firmware', 'dhcp', 'tftp')
            THEN excluded.stage ELSE b.stage END
    RETURNING id
)"""
_OPEN_BOOT_AFTER_CLOSING = _OPEN_BOOT.replace(
    "FROM found", "FROM found, (SELECT count(*) FROM closed) AS first"
)

_EVENT = """
event AS (
    INSERT INTO bootflow_bootevent (boot_id, at, stage, kind, detail, facts)
    SELECT open_boot.id, statement_timestamp(), 'script', %(kind)s::text, '', jsonb_build_object(
        'plan', plan.plan, 'address', %(address)s::text, 'retry', %(retry)s::integer,
        'seconds', greatest(0, round(extract(epoch FROM clock_timestamp()) - %(asked_at)s::numeric, 4)))
        || %(more)s::jsonb
    FROM open_boot, plan
)"""

# A machine that waits asks every few seconds, for days: a row only when it is told something new.
_EVENT_IF_NEW = """
event AS (
    INSERT INTO bootflow_bootevent (boot_id, at, stage, kind, detail, facts)
    SELECT open_boot.id, statement_timestamp(), 'script', %(kind)s::text, '', jsonb_build_object(
        'plan', plan.plan, 'address', %(address)s::text, 'retry', %(retry)s::integer,
        'seconds', greatest(0, round(extract(epoch FROM clock_timestamp()) - %(asked_at)s::numeric, 4)))
        || %(more)s::jsonb
    FROM open_boot, plan
    WHERE plan.plan IS DISTINCT FROM (
        SELECT last.facts -> 'plan' FROM bootflow_bootevent AS last
        WHERE last.boot_id = open_boot.id AND last.kind = %(kind)s::text
        ORDER BY last.at DESC, last.id DESC LIMIT 1)
)"""


def _one_line(*parts: str) -> str:
    statement = ",".join(parts) + " SELECT plan, chap_username, chap_secret FROM plan"  # noqa: S608
    return " ".join(statement.split())


CHECK_IN = _one_line(_FOUND, _SEEN, _PLAN, _OPEN_BOOT, _EVENT)
FIRST_SCRIPT = _one_line(_FOUND, _DESCRIBED, _PLAN_OF_BOOT, _CLOSED, _OPEN_BOOT_AFTER_CLOSING, _EVENT)
NEXT_SCRIPT = _one_line(_FOUND, _DESCRIBED, _PLAN_OF_BOOT, _OPEN_BOOT, _EVENT_IF_NEW)
FIRST_OF_PI = _one_line(_FOUND, _DESCRIBED_PI, _PLAN_OF_PI, _CLOSED, _OPEN_BOOT_AFTER_CLOSING, _EVENT)
LOOK = _one_line(_FOUND, _PLAN_OF_BOOT)  # without a trace: a person asks what the machine will be told
LOOK_AT_PI = _one_line(_FOUND, _PLAN_OF_PI)
NEXT_OF_PI = _one_line(_FOUND, _DESCRIBED_PI, _PLAN_OF_PI, _OPEN_BOOT, _EVENT_IF_NEW)

# A machine that nobody has heard of; those that people ignore take no stranger's place. Two first questions
# at once meet in the unique index: one row, no error.
DISCOVER = """
INSERT INTO devices_device (
    mac, name, serial, device_type, architecture, firmware, state, facts,
    first_seen_at, last_seen_at, created_at, updated_at)
SELECT %(mac)s::text, '', %(serial)s::text, coalesce(nullif(%(device_type)s::text, ''), 'x64'),
    %(architecture)s::text, %(firmware)s::text, 'discovered', %(facts)s::jsonb,
    statement_timestamp(), statement_timestamp(), statement_timestamp(), statement_timestamp()
WHERE NOT EXISTS (
    SELECT FROM devices_device WHERE state = 'discovered' AND ignored_at IS NULL
    OFFSET %(limit)s::bigint - 1)
ON CONFLICT (mac) DO UPDATE SET last_seen_at = excluded.last_seen_at
RETURNING id
"""

# What a machine reports while it boots, or from its operating system. Strangers have no boot, so no row; one
# that fails and asks again for days writes over the oldest of its last reports of that kind.
NOTE = """
WITH latest AS (
    SELECT id FROM bootflow_boot
    WHERE mac = %(mac)s::text
        AND (finished_at IS NULL OR finished_at > statement_timestamp() - interval '1 hour')
    ORDER BY started_at DESC, id DESC LIMIT 1
), moved AS (
    UPDATE bootflow_boot SET
        last_event_at = statement_timestamp(),
        stage = CASE WHEN %(stage)s::text = 'os' OR stage IN ('firmware', 'dhcp', 'tftp')
            THEN %(stage)s::text ELSE stage END
    WHERE id = (SELECT id FROM latest) AND finished_at IS NULL
), rewritten AS (
    UPDATE bootflow_bootevent SET
        at = statement_timestamp(), detail = %(detail)s::text, facts = %(facts)s::jsonb
    WHERE id = (
        SELECT old.id FROM bootflow_bootevent AS old
        WHERE old.boot_id = (SELECT id FROM latest) AND old.kind = %(kind)s::text
        ORDER BY old.at DESC, old.id DESC LIMIT 1 OFFSET %(limit)s::bigint - 1)
    RETURNING id
)
INSERT INTO bootflow_bootevent (boot_id, at, stage, kind, detail, facts)
SELECT id, statement_timestamp(), %(stage)s::text, %(kind)s::text, %(detail)s::text, %(facts)s::jsonb
FROM latest WHERE NOT EXISTS (SELECT FROM rewritten)
RETURNING id
"""

# An overlay is to begin anew: the converger makes it, unless an earlier session still lives on it. Answers
# whether one does, which version the overlay will stand on, and whether changes will be kept aside.
_OVERLAY = """
WITH overlay AS (
    SELECT export.id, export.image_id, export.version_id, export.refresh_requested_at,
        coalesce(
            nullif(export.follows, ''), nullif(device.channel, ''), nullif(room.channel, ''), 'latest'
        ) AS follows,
        EXISTS (SELECT FROM images_session WHERE iqn = %(iqn)s::text AND ended_at IS NULL) AS busy,
        export.persistence = 'keep' AND coalesce(export.handed_out_at, layer.used_at) IS NOT NULL AS keeps
    FROM devices_device AS device
    JOIN images_export AS export ON export.device_id = device.id AND export.mode = 'overlay'
    JOIN images_layer AS layer ON layer.id = export.layer_id
    LEFT JOIN devices_group AS room ON room.id = device.group_id
    WHERE device.mac = %(mac)s::text
)"""
_ASKED = """,
asked AS (
    UPDATE images_export SET refresh_requested_at = statement_timestamp()
    WHERE id = (SELECT id FROM overlay WHERE NOT busy AND (refresh_requested_at IS NULL
        OR refresh_requested_at < statement_timestamp() - interval '30 seconds'))
)"""
_REFRESHED = """
SELECT overlay.busy, CASE overlay.follows
    WHEN 'pinned' THEN (SELECT number FROM images_version WHERE id = overlay.version_id)
    WHEN 'latest' THEN (
        SELECT max(version.number) FROM images_version AS version
        JOIN images_layer AS layer ON layer.id = version.layer_id
        WHERE version.image_id = overlay.image_id AND layer.observed_frozen_at IS NOT NULL)
    ELSE (
        SELECT version.number FROM images_channel AS channel
        JOIN images_version AS version ON version.id = channel.version_id
        WHERE channel.image_id = overlay.image_id AND channel.name = overlay.follows)
    END, overlay.keeps
FROM overlay
"""
REFRESH = _OVERLAY + _ASKED + _REFRESHED
FORESEE_REFRESH = _OVERLAY + _REFRESHED  # the same answer, and nothing is begun

# A machine is told to boot from its disk: from now on it may have written to it.
HAND_OUT = """
UPDATE images_export SET handed_out_at = statement_timestamp()
WHERE device_id = (SELECT id FROM devices_device WHERE mac = %(mac)s::text) AND handed_out_at IS NULL
RETURNING id
"""
