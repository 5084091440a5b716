// Everybody who is measured. To add a broker: a file beside this one, with the same few names, and
// a word here.
//
//   key, name, note  for tables and charts; the note says how it is set up
//   version()        of the program that is installed
//   prepare()        once, before all; optional. Fairlead's is the first
//   start(directory, scenario)  → { child, ports: { tcp, ws, wss, secured } }; those that the
//                    scenario needs, on loopback. `secured` is ws for who has a login. The
//                    directory goes afterwards
//   login            words for the generator
//   warmUp           seconds of load before it is measured; optional, half of one where it is not
//                    said
//   cannot(scenario) what it does not have at all; optional
import aedes from './aedes.mjs';
import fairlead from './fairlead.mjs';
import mosquitto from './mosquitto.mjs';
import nats from './nats.mjs';
import roof from './roof.mjs';

export const peers = [fairlead, roof, mosquitto, nats, aedes];
