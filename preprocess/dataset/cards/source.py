"""Where the films of a data set are from: name, licence, citation and known faults."""

from dataclasses import dataclass

from preprocess.dataset.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Source:
    """The collection from which the films were taken.

    Attributes:
        identifier: a name of lower-case letters and underscores.
        title: one line.
        licence: a sentence.
        licence_url: empty if no licence is known.
        url: of the collection; empty if it is not known.
        bibtex: the citation; empty if it is not known.
        citations: sentences.
        faults: known faults of the collection, sentences.
    """

    identifier: str
    title: str
    licence: str
    licence_url: str = ""
    url: str = ""
    bibtex: str = ""
    citations: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


_CITATIONS = (
    "Sawyer-Lee, R., Gimenez, F., Hoogi, A., & Rubin, D. (2016). Curated Breast Imaging Subset of Digital Database for "
    "Screening Mammography (CBIS-DDSM) [Data set]. The Cancer Imaging Archive. "
    "https://doi.org/10.7937/K9/TCIA.2016.7O02S9CY",
    "Lee, R. S., Gimenez, F., Hoogi, A., Miyake, K. K., Gorovoy, M., & Rubin, D. L. (2017). A curated mammography data "
    "set for use in computer-aided detection and diagnosis research. Scientific Data, 4, 170177. "
    "https://doi.org/10.1038/sdata.2017.177",
    "Heath, M., Bowyer, K., Kopans, D., Moore, R., & Kegelmeyer, W. P. (2001). The Digital Database for Screening "
    "Mammography. In M. J. Yaffe (Ed.), Proceedings of the Fifth International Workshop on Digital Mammography (pp. "
    "212-218). Medical Physics Publishing.",
)

CBIS_DDSM = Source(
    identifier="cbis_ddsm_density",
    title="Breast density of CBIS-DDSM mammograms",
    licence="The films are licensed under Creative Commons Attribution 3.0 (CC BY 3.0). This data set is an adaptation "
    "of CBIS-DDSM: give its attribution, and say that the films were padded and resized.",
    licence_url="https://creativecommons.org/licenses/by/3.0/",
    url="https://doi.org/10.7937/K9/TCIA.2016.7O02S9CY",
    bibtex="@misc{sawyerlee2016cbisddsm, author = {Sawyer-Lee, Rebecca and Gimenez, Francisco and Hoogi, Assaf and "
    "Rubin, Daniel}, title = {Curated Breast Imaging Subset of Digital Database for Screening Mammography "
    "(CBIS-DDSM)}, publisher = {The Cancer Imaging Archive}, year = {2016}, doi = {10.7937/K9/TCIA.2016.7O02S9CY}}",
    citations=_CITATIONS,
    faults=(
        "The films are scanned X-ray films of DDSM, not digital mammograms. A model that learned from them has not "
        "seen digital mammograms.",
        "CBIS-DDSM contains only mammograms with a calcification or a mass, so the shares of the categories are not "
        "those of a screening population.",
        "The category is the judgement of a reader. Published figures for the agreement of two readers are about 71 to "
        "72 % equal categories, and a kappa of about 0.82.",
        "Two test mammograms (Calc-Test_P_01743_RIGHT_CC and _MLO) have density 0, which is no category. They are left "
        "out.",
        "The calcification and mass collections have each patient in one split only; merged, 31 patients are in both. "
        "By default their training mammograms are left out.",
        "The size of a film predicts its category, and the black padding of an image shows that size. On the official "
        "test set, size, view, side and collection alone reach a quadratic weighted kappa of 0.25 [0.16, 0.33].",
        "246 of the 284 calcification test films have another PatientID in their header. Patients are therefore taken "
        "from the mammogram IDs.",
    ),
)

UNKNOWN = Source(
    identifier="breast_density",
    title="Breast density of mammograms",
    licence="No licence is known: the films were described by files that the user gave, and may be of any source. Ask "
    "their owner before you pass the images on. Films of CBIS-DDSM are licensed under CC BY 3.0 "
    "(https://doi.org/10.7937/K9/TCIA.2016.7O02S9CY), and must be attributed.",
    faults=(
        "The faults of the films are not known. The densities, patients, sides and views are those of the given case "
        "descriptions, unchecked.",
        "The black padding of an image shows the size of its film, which may be related to the category.",
    ),
)


def source_of(recipe: Recipe) -> Source:
    """Returns the source of a data set: CBIS-DDSM if it has an attribution."""
    return CBIS_DDSM if recipe.attribution else UNKNOWN
