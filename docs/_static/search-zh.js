// Chinese search: a query is cut into words that the index has, as jieba cut the pages when the index was made.
"use strict";

/** Sphinx names this class in language_data.js and defines it nowhere: Latin words lose their endings as in English. */
var ChineseStemmer = class {
  stemWord(word) {
    return /^[a-z]/.test(word) ? new EnglishStemmer().stemWord(word) : word;
  }
};

/** Sphinx asks for the words of a query here; searchtools.js leaves a function of this name alone. */
var splitQuery = (query) => {
  const known = (word) => Object.hasOwn(Search._index.terms, word) || Object.hasOwn(Search._index.titleterms, word);
  const words = [];
  for (const run of query.match(/\p{Script=Han}+|[^\p{Script=Han}\s]+/gu) ?? []) {
    if (!/\p{Script=Han}/u.test(run)) {
      words.push(...run.split(/[^\p{Letter}\p{Number}_]+/u).filter(Boolean));
      continue;
    }
    for (let at = 0; at < run.length; ) {
      let length = Math.min(8, run.length - at);
      while (length > 1 && !known(run.slice(at, at + length))) length -= 1;
      if (length > 1 || run.length === 1) words.push(run.slice(at, at + length));
      at += length;
    }
  }
  return words.length ? words : [query];
};
