-- What views count beside their rows, by hour and by day.
CREATE TABLE tallies (
    generation INTEGER NOT NULL,   -- of the view
    view       TEXT NOT NULL,      -- who counts
    client_id  BLOB NOT NULL,
    span       TEXT NOT NULL,      -- hour or day
    bucket     INTEGER NOT NULL,   -- when it begins
    subject    BLOB NOT NULL,      -- an agent, a menu, an endpoint; zeros for none
    position   INTEGER NOT NULL,
    doc        TEXT NOT NULL,
    PRIMARY KEY (generation, view, client_id, span, bucket, subject)
) STRICT, WITHOUT ROWID;
