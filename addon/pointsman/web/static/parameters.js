// Polling with parameters that a person has typed, so that the router may refuse them.

import { Refused } from "./api.js";
import { watch } from "./watch.js";

/** Like `stage.watch`. `refused(error)` is called after each answer: with the error where a parameter is wrong, else
 * with null. */
export function watchWith(stage, path, every, shown, refused) {
  const asked = watch(path, every, shown, (error) => {
    const isWrong = error instanceof Refused && error.status === 400;
    refused(isWrong ? error : null);
    stage.heard(isWrong ? null : error);
  });
  stage.watching.push(asked);
  return asked;
}
