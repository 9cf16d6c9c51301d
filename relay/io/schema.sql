CREATE TABLE store(
  node        INTEGER NOT NULL,
  incarnation INTEGER NOT NULL,
  certificate BLOB NOT NULL,              -- Signed Certificate
  booked_seq  INTEGER NOT NULL DEFAULT 0,
  booked      BLOB,                       -- Signed BookedAck at booked_seq
  PRIMARY KEY (node, incarnation)
) STRICT, WITHOUT ROWID;

-- One direction of one (node, incarnation): the spool holds items (base_seq, end_seq].
CREATE TABLE stream(
  no        INTEGER PRIMARY KEY,          -- node << 11 | incarnation << 1 | 1 if down
  base_seq  INTEGER NOT NULL,
  base_head BLOB NOT NULL,
  end_seq   INTEGER NOT NULL CHECK (end_seq >= base_seq),
  end_head  BLOB NOT NULL,
  is_forked INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE item(
  stream INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  head   BLOB NOT NULL,                   -- after this item
  item   BLOB NOT NULL,
  signed BLOB,                            -- Signed SignedHead, where one came
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

-- Items above a position at which a spool had to start again because HQ was restored to it. They
-- come once more from the store; this is the only copy if its box is lost.
CREATE TABLE left_item(
  stream INTEGER NOT NULL,
  at_ms  INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  head   BLOB NOT NULL,
  item   BLOB NOT NULL,
  signed BLOB
) STRICT;

-- The other branch of a fork, as it came.
CREATE TABLE evidence(
  no     INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL,
  at_ms  INTEGER NOT NULL,
  batch  BLOB NOT NULL                    -- Batch
) STRICT;

CREATE TABLE roster(
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL,
  roster  BLOB NOT NULL                   -- Signed Roster
) STRICT;
