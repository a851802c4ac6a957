/** What a cron expression says, as far as words help; the expression itself otherwise. */
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];

export function inWords(cron: string): string {
  const [minute = '', hour = '', day = '', month = '', weekday = '', ...more] = cron.trim().split(/\s+/);
  const plain = more.length === 0 && month === '*';
  const every = /^\*\/(\d+)$/;
  const minutes = every.exec(minute)?.[1];
  if (plain && minutes && hour === '*' && day === '*' && weekday === '*') return `Every ${minutes} minutes`;
  if (!plain || !isNumber(minute)) return `By the cron expression ${cron.trim()}`;
  const two = (text: string) => text.padStart(2, '0');
  const hours = every.exec(hour)?.[1];
  if (day === '*' && weekday === '*' && hour === '*') return `Every hour at :${two(minute)}`;
  if (day === '*' && weekday === '*' && hours) return `Every ${hours} hours at :${two(minute)}`;
  if (!/^\d+(,\d+)*$/.test(hour)) return `By the cron expression ${cron.trim()}`;
  const times = hour.split(',').map((one) => `${two(one)}:${two(minute)}`);
  const at = `at ${times.length > 1 ? `${times.slice(0, -1).join(', ')} and ${times.at(-1)}` : times[0]}`;
  if (day === '*' && weekday === '*') return `Every day ${at}`;
  if (day === '*' && weekday === '1-5') return `Monday to Friday ${at}`;
  if (day === '*' && /^[0-7](,[0-7])*$/.test(weekday)) {
    return `Every ${weekday
      .split(',')
      .map((one) => DAYS[Number(one)])
      .join(', ')} ${at}`;
  }
  if (weekday === '*' && isNumber(day)) return `On day ${day} of every month ${at}`;
  return `By the cron expression ${cron.trim()}`;
}

const isNumber = (text: string) => /^\d+$/.test(text);
