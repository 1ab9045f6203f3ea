// Pages with nothing but the help.

import { keys } from "/static/keys.js";

keys({});
