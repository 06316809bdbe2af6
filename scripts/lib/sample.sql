-- What the sample market's files share; read by them, not run by itself.
--
-- Every number comes from the md5 of a key, never from random(), and no order depends on a collation, so that the same
-- variables give the same market on every server. The functions are temporary and leave nothing behind.

\set ON_ERROR_STOP on
\set QUIET on
\if :{?symbols} \else \set symbols 3000 \endif
\if :{?themes} \else \set themes 12 \endif
\if :{?as_of} \else \set as_of 2026-08-20 \endif
\if :{?seed} \else \set seed tickstock \endif
\if :{?recent} \else \set recent '1.0 / 120' \endif
\if :{?theme_min} \else \set theme_min 15 \endif
\if :{?theme_max} \else \set theme_max 75 \endif

SET client_min_messages = warning;
-- Neither pays here: every row is computed once, and from keys that never return.
SET jit = off;
SET enable_memoize = off;

-- The slice (0 to 3) of an md5 as a number between 0 and 1, both excluded.
CREATE OR REPLACE FUNCTION pg_temp.uniform(hash text, slice int) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
  SELECT (('x' || substr(hash, 1 + 8 * slice, 8))::bit(32)::bigint::double precision + 0.5::double precision)
    / 4294967296::double precision
$$;

-- A draw from the standard normal distribution (Box and Muller), from two uniform ones.
CREATE OR REPLACE FUNCTION pg_temp.normal(u double precision, v double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
  SELECT sqrt(-2 * ln(u)) * cos(2 * pi() * v)
$$;

CREATE OR REPLACE FUNCTION pg_temp.pick(items text[], u double precision) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT items[1 + floor(u * cardinality(items))::int]
$$;

-- The n-th symbol (n from 1): of the first 8,000 half have three letters, most others four, a few one or two; then come
-- the rest of those with four, then five. Within a length the place is multiplied by a number that has no factor in
-- common with 26, which scatters the symbols and keeps them different.
CREATE OR REPLACE FUNCTION pg_temp.symbol_name(n bigint) RETURNS TABLE (symbol text)
LANGUAGE sql IMMUTABLE AS $$
  SELECT right(chr(65 + code / 456976) || chr(65 + code / 17576 % 26) || chr(65 + code / 676 % 26)
    || chr(65 + code / 26 % 26) || chr(65 + code % 26), letters)
  FROM (
    SELECT letters, CASE letters
        WHEN 1 THEN (place * 7 + 2) % 26
        WHEN 2 THEN (place * 417 + 190) % 676
        WHEN 3 THEN (place * 10861 + 9046) % 17576
        WHEN 4 THEN (place * 282427 + 238077) % 456976
        ELSE (place * 7343107 + 1234567) % 11881376
      END::int AS code
    FROM (
      SELECT CASE
          WHEN i % 400 = 0 AND i < 8000 THEN 1
          WHEN i % 20 = 0 AND i < 8000 THEN 2
          WHEN i % 20 <= 10 AND i < 8000 THEN 3
          WHEN i < 400000 THEN 4
          ELSE 5
        END AS letters,
        CASE
          WHEN i % 400 = 0 AND i < 8000 THEN i / 400
          WHEN i % 20 = 0 AND i < 8000 THEN i / 20
          WHEN i % 20 <= 10 AND i < 8000 THEN i / 20 * 10 + i % 20 - 1
          WHEN i < 8000 THEN i / 20 * 9 + i % 20 - 11
          WHEN i < 400000 THEN 3600 + i - 8000
          ELSE i - 400000
        END AS place
      FROM (SELECT n - 1 AS i OFFSET 0) AS counted_from_zero
      OFFSET 0
    ) AS placed
    OFFSET 0
  ) AS coded
$$;

-- The first word of a company's name: one that begins with the symbol's letter.
CREATE OR REPLACE FUNCTION pg_temp.first_word(symbol text, u double precision) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT pg_temp.pick(string_to_array((ARRAY[
      'Alder Arbor Aspen Atlas Avalon', 'Banner Beacon Birch Bluff Brook', 'Canyon Cedar Cobalt Crest Cypress',
      'Dawn Delta Dover Drake Dune', 'Eagle Eastgate Elm Ember Everest', 'Falcon Fern Fjord Flint Foxglove',
      'Gable Garnet Glacier Granite Grove', 'Harbor Hawk Hazel Heron Highland', 'Indigo Inlet Iris Ironwood Island',
      'Jade Jasper Jetty Juniper Junction', 'Kestrel Keystone Kingfisher Knoll Kodiak',
      'Lagoon Larch Laurel Ledge Lynx', 'Magnolia Maple Mariner Meridian Mesa', 'Nectar Nightfall Nimbus Northgate Nova',
      'Oakridge Onyx Opal Orchard Osprey', 'Palisade Peregrine Pinnacle Prairie Plateau',
      'Quarry Quartz Quay Quill Quiver', 'Rampart Raven Redwood Ridge River', 'Sable Saffron Sequoia Slate Summit',
      'Tamarack Teal Terrace Thistle Tundra', 'Umber Union Upland Uplift Ursa', 'Vale Verdant Vertex Vista Voyager',
      'Walnut Westgate Willow Windward Wren', 'Xanadu Xenia Xenon Xylem Xyris', 'Yarrow Yellowtail Yew Yonder Yukon',
      'Zenith Zephyr Zinnia Zircon Zodiac'])[ascii(symbol) - 64], ' '), u)
$$;

-- One row for each industry; an industry is as likely as any other, so a sector's weight is its number of rows.
CREATE OR REPLACE FUNCTION pg_temp.industries()
RETURNS TABLE (number bigint, sector text, industry text, words text[])
LANGUAGE sql IMMUTABLE AS $$
  SELECT row_number() OVER (), sector, industry, string_to_array(words, '/')
  FROM (VALUES
    ('Technology', 'Software', 'Software/Systems/Cloud/Analytics'),
    ('Technology', 'Semiconductors', 'Semiconductor/Microdevices/Photonics'),
    ('Technology', 'Computer Hardware', 'Devices/Storage/Robotics'),
    ('Technology', 'Information Services', 'Data/Networks/Security'),
    ('Health Care', 'Biotechnology', 'Biosciences/Genomics/Bio'),
    ('Health Care', 'Pharmaceuticals', 'Pharma/Therapeutics/Vaccines'),
    ('Health Care', 'Medical Devices', 'Medical/Surgical/Diagnostics'),
    ('Health Care', 'Care Facilities', 'Health/Clinics/Wellness'),
    ('Finance', 'Banks', 'Bancorp/Bankshares/Financial'),
    ('Finance', 'Insurance', 'Insurance/Assurance/Re'),
    ('Finance', 'Asset Management', 'Capital/Asset Management/Partners'),
    ('Finance', 'Capital Markets', 'Exchange/Securities/Credit'),
    ('Consumer Discretionary', 'Specialty Retail', 'Outfitters/Stores/Home'),
    ('Consumer Discretionary', 'Restaurants', 'Kitchens/Coffee/Dining'),
    ('Consumer Discretionary', 'Automobiles', 'Motors/Mobility/Auto Parts'),
    ('Consumer Discretionary', 'Leisure', 'Resorts/Cruises/Games'),
    ('Consumer Staples', 'Packaged Foods', 'Foods/Mills/Farms'),
    ('Consumer Staples', 'Beverages', 'Beverages/Brewing/Springs'),
    ('Industrials', 'Aerospace', 'Aerospace/Aviation/Dynamics'),
    ('Industrials', 'Machinery', 'Machinery/Tools/Works'),
    ('Industrials', 'Freight', 'Logistics/Freight/Rail'),
    ('Industrials', 'Construction', 'Builders/Engineering/Structures'),
    ('Energy', 'Oil and Gas', 'Petroleum/Energy/Drilling'),
    ('Energy', 'Midstream', 'Midstream/Pipelines/Gas'),
    ('Utilities', 'Electric Utilities', 'Electric/Power/Grid'),
    ('Utilities', 'Water Utilities', 'Water/Waterworks/Renewables'),
    ('Real Estate', 'Property Trusts', 'Properties/Realty/Residential'),
    ('Real Estate', 'Property Services', 'Estates/Land/Towers'),
    ('Basic Materials', 'Metals and Mining', 'Mining/Metals/Minerals'),
    ('Basic Materials', 'Chemicals', 'Chemical/Materials/Paper'),
    ('Telecommunications', 'Telecom Services', 'Telecom/Wireless/Broadband'),
    ('Telecommunications', 'Telecom Equipment', 'Fiber/Satellite/Signal')
  ) AS list (sector, industry, words)
$$;

-- The rows numbered first_n to last_n as they stand on a day: `symbols`' columns, and the closing price. Caps are
-- log-normal (median 700 million) and exactly price times shares. About 8 in 100 are delisted, the share `recent` was
-- listed within 30 days; 1 in 70 has no cap, 1 in 200 a cap of zero, 1 in 60 no sector, 1 in 500 a delisting announced.
CREATE OR REPLACE FUNCTION pg_temp.companies(seed text, first_n bigint, last_n bigint, as_of date, recent numeric)
RETURNS TABLE (symbol text, company_name text, market_cap numeric, sector text, industry text, listing_date date,
  is_active boolean, delisted_date date, shares_outstanding bigint, close numeric)
LANGUAGE sql STABLE AS $$
  SELECT symbol,
    concat_ws(' ', pg_temp.first_word(symbol, pg_temp.uniform(b, 0)), pg_temp.pick(i.words, pg_temp.uniform(b, 1)),
      pg_temp.pick(ARRAY['Inc.', 'Inc.', 'Inc.', 'Corp.', 'Corp.', 'Holdings', 'Group', 'Ltd.', 'PLC', 'Co.'],
        pg_temp.uniform(b, 2))),
    CASE WHEN cap_known THEN CASE WHEN cap_positive THEN p.close * p.shares ELSE 0 END END,
    CASE WHEN pg_temp.uniform(b, 3) >= 0.017 THEN i.sector END,
    CASE WHEN pg_temp.uniform(b, 3) >= 0.017 THEN i.industry END,
    as_of - CASE
      WHEN listed_lately THEN floor(pg_temp.uniform(c, 0) * 30)::int
      ELSE 60 + floor(pg_temp.uniform(c, 0) ^ 2 * 15000)::int + CASE WHEN delisted THEN 1100 ELSE 0 END
    END,
    -- Some feeds set the date and leave the flag, others the flag without a date.
    NOT delisted OR pg_temp.uniform(c, 1) >= 0.95,
    CASE
      WHEN delisted AND (pg_temp.uniform(c, 1) >= 0.95 OR pg_temp.uniform(c, 1) < 0.90)
        THEN as_of - floor(pg_temp.uniform(c, 2) * 1000)::int
      WHEN NOT delisted AND pg_temp.uniform(c, 1) >= 0.998 THEN as_of + 1 + floor(pg_temp.uniform(c, 2) * 20)::int
    END,
    CASE WHEN cap_known THEN CASE WHEN cap_positive THEN p.shares ELSE 0 END END,
    p.close
  -- OFFSET 0 makes a step's values be computed once, not again wherever a later step names them.
  FROM generate_series(first_n, last_n) AS n
  CROSS JOIN LATERAL pg_temp.symbol_name(n)
  CROSS JOIN LATERAL (SELECT md5(seed || ':cap:' || n) AS a, md5(seed || ':name:' || n) AS b,
    md5(seed || ':dates:' || n) AS c, md5(seed || ':state:' || n) AS d OFFSET 0) AS hashes
  CROSS JOIN LATERAL (SELECT pg_temp.uniform(d, 0) < 0.08 AS delisted,
    pg_temp.uniform(d, 0) >= 1 - companies.recent AS listed_lately,
    pg_temp.uniform(d, 1) >= 1.0 / 70 AS cap_known,
    pg_temp.uniform(d, 2) >= 1.0 / 200 AS cap_positive,
    2.2 * pg_temp.normal(pg_temp.uniform(a, 0), pg_temp.uniform(a, 1)) AS size OFFSET 0) AS state
  -- Large companies have dearer shares; the number of shares then follows, in thousands.
  CROSS JOIN LATERAL (SELECT exp(ln(20) + 0.3 * size
    + 0.5 * pg_temp.normal(pg_temp.uniform(a, 2), pg_temp.uniform(a, 3))) AS price OFFSET 0) AS q
  CROSS JOIN LATERAL (SELECT greatest(0.05, round(price::numeric, 2)) AS close,
    greatest(1, round(700000 * exp(size) / price))::bigint * 1000 AS shares OFFSET 0) AS p
  JOIN pg_temp.industries() AS i
    ON i.number = 1 + floor(pg_temp.uniform(d, 3) * (SELECT count(*) FROM pg_temp.industries()))::bigint
$$;

-- A day's prices around a close.
CREATE OR REPLACE FUNCTION pg_temp.bar(symbol text, as_of date, previous numeric, close numeric)
RETURNS TABLE (open numeric, high numeric, low numeric, volume bigint)
LANGUAGE sql IMMUTABLE AS $$
  SELECT open, round(greatest(open, close) * (1 + u * 0.02), 2), round(least(open, close) * (1 - v * 0.02), 2),
    round(exp(11 + 2 * w))::bigint
  FROM (SELECT previous AS open, pg_temp.uniform(h, 0)::numeric AS u, pg_temp.uniform(h, 1)::numeric AS v,
    pg_temp.normal(pg_temp.uniform(h, 2), pg_temp.uniform(h, 3)) AS w
    FROM (SELECT md5(symbol || ':bar:' || (as_of - date '2000-01-01')) AS h OFFSET 0) AS hashed) AS drawn
$$;
