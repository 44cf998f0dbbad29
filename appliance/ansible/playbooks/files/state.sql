-- What the database holds, as one JSON object: rows of every table, the ledger's digest, the head
-- of the audit chain. The ledger's digest adds up digests of its rows, so it needs no order and no
-- memory; the audit chain's head stands for every row before it.
SELECT json_build_object(
    'rows', (
        SELECT json_object_agg(relname, (xpath('/row/n/text()', query_to_xml(
            format('SELECT count(*) AS n FROM rizzpay.%I', relname), false, true, '')))[1]::text
            ORDER BY relname)
        FROM pg_class
        WHERE relnamespace = 'rizzpay'::regnamespace AND relkind IN ('r', 'p')
    ),
    'ledger', (
        SELECT concat_ws(':', count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0),
                         coalesce(sum(hashtextextended(t::text, 1)::numeric), 0))
        FROM rizzpay.ledger_transfers AS t
    ),
    'accounts', (
        SELECT concat_ws(':', count(*), coalesce(sum(hashtextextended(a::text, 0)::numeric), 0))
        FROM rizzpay.ledger_accounts AS a
    ),
    'audit', (
        SELECT concat_ws(':', position, encode(hash, 'hex'))
        FROM rizzpay.audit_chain ORDER BY position DESC LIMIT 1
    )
);
