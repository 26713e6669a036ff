"""Function words of French, German and Spanish, and the part of speech that most of them are.

Closed classes do not grow, so a short list covers them: about four words in ten of running text.
A word that is often two things (*que*, *zu*) counts as evidence of its language and is tagged X.
"""

from __future__ import annotations

from collections.abc import Mapping

from attn_monitor.analysis.lens.tags import Upos

_FRENCH: dict[Upos, str] = {
    "DET": "le la les l un une des ce cet cette ces mon ma mes ton ta tes son sa ses notre nos "
    "votre vos leur leurs chaque quelques plusieurs aucun aucune tout toute tous toutes quel "
    "quelle quels quelles",
    "ADP": "de d du à au aux dans par pour sur avec sans sous vers chez entre depuis pendant avant "
    "après contre selon lors dès jusqu jusque parmi en",
    "PRON": "je j tu il elle on nous vous ils elles me m te t se s lui moi toi soi eux qui dont "
    "celui celle ceux celles ceci cela ça c y",
    "AUX": "est sont être était étaient sera seront été a ont avoir avait auront ai avons avez es "
    "sommes êtes soit soient",
    "VERB": "peut peuvent pouvez doit doivent devez",
    "CCONJ": "et ou mais ni donc car",
    "SCONJ": "lorsque lorsqu quand puisque comme afin si",
    "ADV": "ne n pas plus très aussi déjà ici là toujours jamais encore bien alors ainsi trop non",
    "X": "que qu où",
}
_GERMAN: dict[Upos, str] = {
    "DET": "der die das den dem des ein eine einen einem einer eines kein keine keinen keinem "
    "keiner dieser diese dieses diesen diesem jede jeder jedes jeden mein meine dein deine seine "
    "seinen seiner ihre ihren ihrer unser unsere eure alle",
    "ADP": "in im an am auf aus bei beim mit nach von vom zum zur für über unter durch gegen ohne "
    "um vor zwischen seit während wegen",
    "PRON": "ich du er sie es wir mich dich sich uns euch ihm ihn ihnen mir dir man wer was nichts "
    "etwas",
    "AUX": "ist sind war waren bin bist wird werden wurde wurden hat haben hatte hatten kann "
    "können muss müssen soll sollen will wollen darf dürfen möchte",
    "CCONJ": "und oder aber denn sondern",
    "SCONJ": "dass weil wenn ob falls obwohl damit",
    "PART": "nicht",
    "ADV": "auch noch schon nur sehr hier dann so immer wieder",
    "X": "zu sein ihr als wie da",
}
_SPANISH: dict[Upos, str] = {
    "DET": "el la los las un una unos unas este esta estos estas ese esa esos esas su sus mi mis "
    "tu tus nuestro nuestra nuestros nuestras cada todo toda todos todas ningún ninguna algún "
    "alguna",
    "ADP": "de del a al en con por para sin sobre entre hasta desde hacia contra según durante",
    "PRON": "yo él ella ellos ellas nosotros usted ustedes se me te nos le les quien eso esto ello "
    "nada algo",
    "AUX": "es son ser está están estar fue era eran sido ha han haber había he hemos será serán "
    "puede pueden debe deben",
    "CCONJ": "y e o u ni pero sino",
    "SCONJ": "si porque aunque mientras",
    "ADV": "no muy más también ya aquí siempre nunca",
    "X": "que lo como cuando",
}


CLASSES: Mapping[str, Mapping[Upos, str]] = {
    "French": _FRENCH,
    "German": _GERMAN,
    "Spanish": _SPANISH,
}
FUNCTION_WORDS: Mapping[str, Mapping[str, Upos]] = {
    language: {word: tag for tag, words in classes.items() for word in words.split()}
    for language, classes in CLASSES.items()
}
