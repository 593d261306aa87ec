/** Dates as HTTP writes them (RFC 9110 5.6.7). Times are in seconds since 1970 UTC. */

const MONTHS: readonly string[] = [
  'Jan',
  'Feb',
  'Mar',
  'Apr',
  'May',
  'Jun',
  'Jul',
  'Aug',
  'Sep',
  'Oct',
  'Nov',
  'Dec',
];

const IMF_FIXDATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/;
const RFC_850 =
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/;
const ASCTIME =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/;

/** The moment `seconds` as the one format that senders may use; fractions are cut off. */
export function formatHTTPDate(seconds: number): string {
  return new Date(Math.floor(seconds) * 1000).toUTCString();
}

function moment(
  year: number,
  month: string | undefined,
  day: string | undefined,
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined,
): number | null {
  const index = MONTHS.indexOf(month ?? '');
  if (index < 0) return null;
  const date = Number(day);
  // 60 is a leap second, which this calendar lacks: it becomes the next minute's first.
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return null;
  const midnight = new Date(Date.UTC(year, index, date));
  // Years below 100 are taken for 19xx; nothing that HTTP dates is that old.
  if (midnight.getUTCFullYear() !== year || midnight.getUTCDate() !== date) return null;
  return midnight.getTime() / 1000 + Number(hour) * 3600 + Number(minute) * 60 + Number(second);
}

/**
 * The moment that `text` names, in any of the three formats that recipients have to know; null when it is none of them, or names a day that there is not.
 * Two-digit years are of 1970 to 2069.
 */
export function parseHTTPDate(text: string): number | null {
  let parts = IMF_FIXDATE.exec(text);
  if (parts !== null) {
    return moment(Number(parts[3]), parts[2], parts[1], parts[4], parts[5], parts[6]);
  }
  parts = RFC_850.exec(text);
  if (parts !== null) {
    const short = Number(parts[3]);
    const year = short < 70 ? 2000 + short : 1900 + short;
    return moment(year, parts[2], parts[1], parts[4], parts[5], parts[6]);
  }
  parts = ASCTIME.exec(text);
  if (parts === null) return null;
  return moment(Number(parts[6]), parts[1], parts[2], parts[3], parts[4], parts[5]);
}
