-- Makes the table `symbols`, as TickStock has it; read by other files, not run by itself.

CREATE TABLE symbols (
  symbol text PRIMARY KEY,
  company_name text,
  market_cap numeric(20,2),
  sector text,
  industry text,
  listing_date date,
  is_active boolean,
  delisted_date date,
  shares_outstanding bigint
);
