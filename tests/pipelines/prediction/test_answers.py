import pytest

from pipelines.prediction.answers import Answer, UnitAnswer, breasts_of, patients_of
from pipelines.prediction.film import Film, FilmName
from pipelines.prediction.tables import format_tables


def film(number, patient="", side="", view=""):
    return Film(number, f"/films/{number}", f"{number}.dcm", 1, FilmName("", patient, side, view))


ANSWERS = [
    Answer(film(0, "B", "RIGHT", "CC"), (0.5, 0.25, 0.25, 0.0)),
    Answer(film(1, "A", "LEFT", "CC"), (0.0, 0.25, 0.75, 0.0), ("dark, odd", "small")),
    Answer(film(2, "A", "LEFT", "MLO"), (0.5, 0.25, 0.25, 0.0)),
    Answer(film(3, "A", "RIGHT", "CC"), (0.0, 0.0, 0.0, 1.0)),
    Answer(film(4, "A", "LEFT", "MLO"), reason="the file is empty"),
    Answer(film(5), (0.25, 0.25, 0.25, 0.25)),
    Answer(Film(6, "=x", "=x", 0, FilmName()), reason="a\nb"),
]


def test_breasts_and_patients_have_the_mean_of_their_films():
    assert breasts_of(ANSWERS) == [
        UnitAnswer("A", "LEFT", [ANSWERS[1].film, ANSWERS[2].film], (0.25, 0.25, 0.5, 0.0)),
        UnitAnswer("A", "RIGHT", [ANSWERS[3].film], (0.0, 0.0, 0.0, 1.0)),
        UnitAnswer("B", "RIGHT", [ANSWERS[0].film], (0.5, 0.25, 0.25, 0.0)),
    ]
    [a, b] = patients_of(ANSWERS)
    assert (a.patient, a.side, len(a.films), a.probabilities) == ("A", "", 3, (0.5 / 3, 0.5 / 3, 1 / 3, 1 / 3))
    assert (a.density, a.expected) == (3, pytest.approx(17 / 6))
    assert (b.density, b.expected) == (1, 1.75)


def test_of_equal_probabilities_the_lowest_density_is_predicted():
    assert (ANSWERS[5].density, ANSWERS[5].expected) == (1, 2.5)


def test_the_tables():
    tables = {name: content.decode() for name, content in format_tables(ANSWERS, 4).items()}
    assert tables["predictions.csv"] == (
        "file,mammogram,patient,side,view,density,probability_1,probability_2,probability_3,probability_4,"
        "expected_density,remarks,not_classified\n"
        "0.dcm,,B,RIGHT,CC,1,0.500000,0.250000,0.250000,0.000000,1.7500,,\n"
        '1.dcm,,A,LEFT,CC,3,0.000000,0.250000,0.750000,0.000000,2.7500,"dark, odd; small",\n'
        "2.dcm,,A,LEFT,MLO,1,0.500000,0.250000,0.250000,0.000000,1.7500,,\n"
        "3.dcm,,A,RIGHT,CC,4,0.000000,0.000000,0.000000,1.000000,4.0000,,\n"
        "4.dcm,,A,LEFT,MLO,,,,,,,,the file is empty\n"
        "5.dcm,,,,,1,0.250000,0.250000,0.250000,0.250000,2.5000,,\n"
        "./=x,,,,,,,,,,,,a\\nb\n"
    )
    assert tables["patients.csv"].splitlines()[1] == "A,3,3,0.166667,0.166667,0.333333,0.333333,2.8333"
    assert tables["breasts.csv"].splitlines()[1] == "A,LEFT,2,3,0.250000,0.250000,0.500000,0.000000,2.2500"
