/** A city of the data set, and what today's measurements add to it. */
export interface City {
  readonly cityId: number;
  readonly name: string;
  readonly altName: string;
  /** ISO 3166, two letters. */
  readonly country: string;
  readonly adminCode: string;
  readonly featureCode: string;
  /** Of 12 788 cities nobody says how many live there: 0. */
  readonly population: number;
  readonly loc: { readonly type: "Point"; readonly coordinates: readonly [longitude: number, latitude: number] };
  /** In °C, as last measured. */
  readonly temperature?: number;
}

export type CityKey = `city:${number}`;
export type ViewsKey = `views:${number}`;
/** What is switched on, and for whom: strong, so that no two nodes ever disagree. */
export type FlagKey = `flag:${string}`;
export type LockKey = `lock:${string}`;

/** What the store holds. A write of a city may name some fields only: the others stay (see `bootstrap.ts`). */
export interface Keys {
  [key: CityKey]: Partial<City>;
  [key: ViewsKey]: number;
  [key: FlagKey]: string;
  [key: LockKey]: never;
}

export const cityKey = ({ cityId }: City): CityKey => `city:${cityId}`;
export const viewsKey = ({ cityId }: City): ViewsKey => `views:${cityId}`;

/** The `most` largest cities of each country. */
export const largestByCountry = (cities: readonly City[], most: number): ReadonlyMap<string, readonly City[]> => {
  const byCountry = new Map<string, City[]>();
  for (const city of cities) {
    const group = byCountry.get(city.country);
    if (group === undefined) byCountry.set(city.country, [city]);
    else group.push(city);
  }
  for (const [country, group] of byCountry)
    byCountry.set(country, group.sort((a, b) => b.population - a.population).slice(0, most));
  return byCountry;
};
